//! The simulated Withings on a port of its own, with a diary, so that a stack that is killed and started
//! again on the same data meets a Withings that remembers.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use afferent_domain::{Clock, Dice, Timestamp};
use afferent_http::Http;
use afferent_local::clock::SystemClock;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use withings_simulator::sample::{self, Person};
use withings_simulator::{CallbackRules, ControlError, Notify, Settings, Simulator};

/// The sample person's day lies this long before the first start, so that only a backfill brings it.
const YESTERDAY: Duration = Duration::from_secs(24 * 3600);

/// The time zone of the sample person.
pub const TIMEZONE: &str = "Europe/Lisbon";

/// The simulated Withings with its sample person.
pub struct World {
    /// Where it listens.
    pub address: SocketAddr,
    /// The simulator.
    pub simulator: Arc<Simulator>,
    /// The sample person.
    pub person: Person,
    clock: Arc<WorldClock>,
    diary: Option<PathBuf>,
    _server: JoinSet<()>,
}

/// Why there is no world.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// The port is taken, or the diary cannot be used.
    #[error("the simulated Withings cannot start: {0}")]
    Io(#[from] std::io::Error),
    /// A line of the diary cannot be read.
    #[error("a line of the diary cannot be read: {0}")]
    Diary(#[from] serde_json::Error),
    /// The simulator refused something.
    #[error(transparent)]
    Control(#[from] ControlError),
}

/// One line of the diary.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Entry {
    at_ms: Timestamp,
    /// The category that was played; none for the person's own beginning.
    appli: Option<u16>,
}

impl World {
    /// Starts it. With a diary, everything in it happens again first, at its time and without notifications.
    ///
    /// # Errors
    /// [`WorldError`].
    pub async fn start(
        port: u16,
        http: Arc<dyn Http>,
        dice: Arc<dyn Dice>,
        diary: Option<PathBuf>,
    ) -> Result<Self, WorldError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let clock = Arc::new(WorldClock::default());
        // The callback URL is on this machine, which Withings takes in development only.
        let callback = CallbackRules { strict: false, ..CallbackRules::default() };
        let settings = Settings { callback, ..Settings::default() };
        let simulator = Arc::new(Simulator::new(settings, clock.clone(), dice));
        let entries = read(diary.as_ref())?;
        let born = entries.first().map_or_else(|| SystemClock.now() - YESTERDAY, |entry| entry.at_ms);
        clock.stand_at(born);
        let person = sample::person(&simulator, Notify::No)?;
        for entry in &entries {
            clock.stand_at(entry.at_ms);
            if let Some(appli) = entry.appli {
                sample::play(&simulator, &person, appli)?;
            }
        }
        clock.run();
        simulator.connect(http);
        let router = withings_simulator::router(simulator.clone());
        let mut server = JoinSet::new();
        server.spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the simulated Withings ended");
            }
        });
        let world = Self { address, simulator, person, clock, diary, _server: server };
        if entries.is_empty() {
            world.write(Entry { at_ms: born, appli: None })?;
        }
        Ok(world)
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes the change that Withings announces by `appli`, and sends the notification.
    ///
    /// # Errors
    /// [`WorldError`].
    pub fn play(&self, appli: u16) -> Result<(), WorldError> {
        self.write(Entry { at_ms: self.clock.now(), appli: Some(appli) })?;
        Ok(sample::play(&self.simulator, &self.person, appli)?)
    }

    fn write(&self, entry: Entry) -> Result<(), WorldError> {
        let Some(path) = &self.diary else { return Ok(()) };
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
        file.write_all(format!("{}\n", serde_json::to_string(&entry)?).as_bytes())?;
        Ok(file.sync_data()?)
    }
}

fn read(diary: Option<&PathBuf>) -> Result<Vec<Entry>, WorldError> {
    let Some(path) = diary.filter(|path| path.exists()) else { return Ok(Vec::new()) };
    let text = std::fs::read_to_string(path)?;
    Ok(text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}

/// The system's clock, or, while the past happens again, an instant of it.
#[derive(Default)]
struct WorldClock {
    /// Milliseconds; 0 when the clock runs.
    stands_at: AtomicI64,
}

impl WorldClock {
    fn stand_at(&self, at: Timestamp) {
        self.stands_at.store(at.as_millis(), Ordering::Relaxed);
    }

    fn run(&self) {
        self.stands_at.store(0, Ordering::Relaxed);
    }
}

impl Clock for WorldClock {
    fn now(&self) -> Timestamp {
        match self.stands_at.load(Ordering::Relaxed) {
            0 => SystemClock.now(),
            at => Timestamp::from_millis(at),
        }
    }
}

//! The simulated Withings as a program: the API and `/control` on one loopback port, in real time.

use std::error::Error;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use afferent_domain::clock::{Clock, Dice, Timestamp};
use clap::Parser;
use ring::rand::{SecureRandom as _, SystemRandom};
use withings_simulator::{CallbackRules, Notify, Settings, Simulator, router, sample};

/// A Withings that behaves as the real one is known to.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// The port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Creates the sample person, subscribed to every category at this URL.
    #[arg(long)]
    notify_url: Option<String>,
    /// Creates the sample person without a subscription.
    #[arg(long)]
    sample: bool,
    /// Plays one category after the other, this many seconds apart, without end.
    #[arg(long)]
    play_every: Option<u64>,
    /// Calls per minute and client.
    #[arg(long, default_value_t = 120)]
    limit: u32,
    /// The id of the one application.
    #[arg(long, default_value = "sim-client")]
    client_id: String,
    /// Its secret.
    #[arg(long, env = "WITHINGS_SIMULATOR_SECRET", default_value = "sim-secret", hide_env_values = true)]
    client_secret: String,
    /// Accepts only callbacks that Withings would accept in production (https, a host name, port 80 or 443).
    #[arg(long)]
    strict_callbacks: bool,
}

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

struct SystemDice(SystemRandom);

impl Dice for SystemDice {
    fn roll(&self) -> u64 {
        let mut bytes = [0; 8];
        // Without randomness ids stay distinct: they are also counted.
        let _ = self.0.fill(&mut bytes);
        u64::from_be_bytes(bytes)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let mut settings = Settings { limit: options.limit, ..Settings::default() };
    settings.callback = CallbackRules { strict: options.strict_callbacks, ..CallbackRules::default() };
    for client in &mut settings.clients {
        (client.client_id, client.client_secret) = (options.client_id.clone(), options.client_secret.clone());
    }
    let simulator =
        Arc::new(Simulator::new(settings, Arc::new(SystemClock), Arc::new(SystemDice(SystemRandom::new()))));
    simulator.connect(Arc::new(afferent_http::Client::new()?));

    let mut userid = None;
    if options.sample || options.notify_url.is_some() || options.play_every.is_some() {
        let person = sample::person(&simulator, Notify::No)?;
        userid = Some(person.userid);
        if let Some(url) = &options.notify_url {
            simulator.subscribe(person.userid, None, &[], url)?;
        }
        if let Some(seconds) = options.play_every {
            let simulator = Arc::clone(&simulator);
            tokio::spawn(async move {
                while sample::play_all(&simulator, &person, Duration::from_secs(seconds.max(1))).await.is_ok() {}
            });
        }
    }

    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let line = serde_json::json!({ "url": url, "control": format!("{url}/control"), "userid": userid });
    {
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{line}")?;
        stdout.flush()?;
    }
    let stopped = async {
        // If the signal cannot be heard, the process is ended the hard way.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    axum::serve(listener, router(simulator)).with_graceful_shutdown(stopped).await?;
    Ok(())
}

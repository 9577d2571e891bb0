//! A stack with many people, endpoints and a Withings, whose calls and answers take the time that they take on AWS:
//! what costs and scale are measured on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use afferent_domain::backfill::Depth;
use afferent_domain::secret::Secret;
use afferent_local::network::{Receiver, Reply, WITHINGS_HOST, WithingsHost};
use afferent_local::{Setup, Simulation, Ticks};
use afferent_play::seed::{Consent, Seeder};
use withings_simulator::sample::Person;
use withings_simulator::{
    ClientApp, ControlError, Latency, Measure, MeasureGroup, NewUser, Notify, Settings, Simulator,
};

use crate::RECEIVER_HOST;

/// How long a call to an AWS service takes, in milliseconds.
pub const AWS_MS: (u64, u64) = (4, 8);

/// How long a call to Withings takes in each direction, in milliseconds.
pub const WITHINGS_MS: [u64; 2] = [90, 110];

/// How long the receiver takes.
pub const RECEIVER: Duration = Duration::from_millis(100);

/// How many people are connected at once.
const AT_ONCE: usize = 50;

/// Why a world could not be made or changed.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// What a world is like.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Decides everything that chance decides.
    pub seed: u64,
    /// How many people are connected, about whom nothing is known yet and nothing is swept or read.
    pub people: usize,
    /// How many endpoints there are, each of which gets everything.
    pub endpoints: usize,
    /// Calls to Withings in a minute, of both sides.
    pub limit: u16,
    /// Parameters of the template beside that.
    pub parameters: Vec<(&'static str, String)>,
    /// How long a call to Withings takes in each direction, in milliseconds.
    pub withings_ms: [u64; 2],
    /// How the schedules run.
    pub ticks: Ticks,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            seed: 1,
            people: 0,
            endpoints: 1,
            limit: 120,
            parameters: Vec::new(),
            withings_ms: WITHINGS_MS,
            ticks: Ticks::WhenDue,
        }
    }
}

/// A stack with people.
pub struct World {
    /// The stack.
    pub stack: Simulation,
    /// The simulated Withings.
    pub withings: Arc<Simulator>,
    /// Where the endpoints are.
    pub receiver: Receiver,
    /// The people.
    pub people: Vec<Person>,
}

impl World {
    /// Makes a world.
    ///
    /// # Errors
    /// The stack cannot start, or a person cannot be connected.
    pub async fn of(plan: &Plan) -> Result<Self, Error> {
        let mut parameters: BTreeMap<String, String> =
            plan.parameters.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        parameters.insert("WithingsLimit".to_owned(), plan.limit.to_string());
        let setup =
            Setup { seed: plan.seed, parameters, ticks: plan.ticks, aws_latency_ms: AWS_MS, ..Setup::default() };
        let stack = Simulation::start(setup).await?;
        let client = ClientApp {
            client_id: "simulatedclient".to_owned(),
            client_secret: "simulatedsecret".to_owned(),
            redirect_uris: Vec::new(),
        };
        let latency = Latency { to_server_ms: plan.withings_ms, to_client_ms: plan.withings_ms };
        let settings = Settings { clients: vec![client], latency, limit: plan.limit.into(), ..Settings::default() };
        let withings = Arc::new(Simulator::new(settings, stack.clock.clone(), stack.dice.clone()));
        withings.connect(stack.network.clone());
        stack.network.put(WITHINGS_HOST, Arc::new(WithingsHost(withings.clone())));
        let receiver = Receiver::new(stack.clock.clone());
        receiver.always(Reply::After(RECEIVER, Box::new(Reply::Status(204))));
        stack.network.put(RECEIVER_HOST, Arc::new(receiver.clone()));
        let mut world = Self { stack, withings, receiver, people: Vec::new() };
        let seeder = world.seeder();
        for number in 0..plan.endpoints {
            let url = format!("https://{RECEIVER_HOST}/hook/{number}");
            seeder.endpoint(&format!("receiver-{number}"), &url, &["body_weight.*", "*"]).await?;
        }
        let consents: Vec<_> = (0..plan.people).map(|_| world.consent()).collect::<Result<_, _>>()?;
        // Many at once, so that many people do not take hours.
        seeder.connect_all_quietly(AT_ONCE, &consents).await?;
        Ok(world)
    }

    /// Connects another person as the API does: sweeps follow, and a backfill that reaches so far back.
    ///
    /// # Errors
    /// The person cannot be connected.
    pub async fn connect(&mut self, depth: Depth) -> Result<(), Error> {
        let (reference, consent) = self.consent()?;
        self.seeder().reaching_back(depth).connect(&reference, &consent).await?;
        Ok(())
    }

    /// Puts more things into it.
    #[must_use]
    pub fn seeder(&self) -> Seeder {
        Seeder::new(&self.stack.rim, &self.stack.template.place.stack)
    }

    /// Somebody with an account at Withings that is subscribed to, and who consents.
    fn consent(&mut self) -> Result<(String, Consent), ControlError> {
        let userid = self.withings.create_user(NewUser::default())?;
        let tokens = self.withings.issue_tokens(userid, None, "")?;
        self.withings.subscribe(userid, None, &[], &crate::callback())?;
        let reference = format!("person-{}", self.people.len());
        self.people.push(Person::of(userid));
        let consent = Consent {
            region: "eu".to_owned(),
            userid: userid.to_string(),
            tz: "UTC".to_owned(),
            access_token: Secret::new(tokens.access_token),
            refresh_token: Secret::new(tokens.refresh_token),
            expires_in: Duration::from_secs(tokens.expires_in),
        };
        Ok((reference, consent))
    }

    /// A person steps on the scale `before` seconds ago: so many values in one measurement, whose first one is `grams`.
    ///
    /// # Errors
    /// There is no such person.
    pub fn weigh(&self, person: &Person, values: usize, grams: i64, before: i64) -> Result<(), ControlError> {
        const TYPES: [i64; 5] = [1, 6, 76, 77, 88];
        let values = TYPES.iter().cycle().take(values).map(|kind| Measure::new(*kind, grams, -3));
        let at = self.stack.clock.now().as_secs() - before;
        let group = MeasureGroup::taken(&person.scale, at, values.collect());
        self.withings.add(person.userid, [group], Notify::Yes).map(drop)
    }
}

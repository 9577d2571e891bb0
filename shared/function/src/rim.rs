//! The rim: what differs between Lambda, one machine and a simulation, and nothing else.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use afferent_aws::Aws;
use afferent_domain::{Clock, Dice, Timestamp};
use afferent_http::{Call, Http, HttpError, Sending};
use afferent_metrics::{Sink, Stdout};
use ring::rand::{SecureRandom, SystemRandom};

use crate::{Edge, Env, StartError};

/// The clock, the dice, the network and AWS, as one function sees them.
#[derive(Clone)]
pub struct Rim {
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub dice: Arc<dyn Dice>,
    /// The way to Withings.
    pub http: Arc<dyn Http>,
    /// The way to what customers name: their endpoints. It reaches only what the operator's rule allows.
    pub endpoints: Arc<dyn Http>,
    /// The way to AWS.
    pub aws: Aws,
    /// Where the lines of metrics go.
    pub metrics: Arc<dyn Sink>,
    /// The way to a collector of OpenTelemetry, which the operator names; none without the cargo feature `otel`.
    pub collector: Option<Arc<dyn Http>>,
}

impl Rim {
    /// The rim on Lambda, without a way to other people's servers: a function that speaks to AWS alone
    /// links no second HTTP client. See [`Rim::reaching`].
    ///
    /// # Errors
    /// A variable that Lambda always sets is missing.
    pub fn lambda(env: &Env) -> Result<Self, StartError> {
        Ok(Self {
            clock: Arc::new(SystemClock),
            dice: Arc::new(SystemDice::default()),
            http: Arc::new(NoHttp),
            endpoints: Arc::new(NoHttp),
            aws: Aws::from_env(|name| env.optional(name))?,
            metrics: Arc::new(Stdout),
            #[cfg(feature = "otel")]
            collector: Some(Arc::new(afferent_http::Late::new(afferent_http::Client::new))),
            #[cfg(not(feature = "otel"))]
            collector: None,
        })
    }

    /// Where the invocations of `function` begin and end. The metrics' one dimension is read from `STACK`: the stack's
    /// name; `afferent` unless it is set. Spans go to `OTEL_EXPORTER_OTLP_ENDPOINT`, where there is a way to it.
    #[must_use]
    pub fn edge(&self, function: &'static str, env: &Env) -> Edge {
        let stack = env.optional("STACK").unwrap_or_else(|| "afferent".to_owned());
        Edge::new(function, stack, self, env)
    }

    /// The same rim with a way to Withings.
    #[must_use]
    pub fn reaching(self, http: impl Http + 'static) -> Self {
        Self { http: Arc::new(http), ..self }
    }

    /// The same rim with a way to customers' endpoints.
    #[must_use]
    pub fn delivering(self, endpoints: impl Http + 'static) -> Self {
        Self { endpoints: Arc::new(endpoints), ..self }
    }
}

/// The system's wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// The system's cryptographic randomness.
#[derive(Clone, Debug)]
pub struct SystemDice {
    random: SystemRandom,
}

impl Default for SystemDice {
    fn default() -> Self {
        Self { random: SystemRandom::new() }
    }
}

impl Dice for SystemDice {
    fn roll(&self) -> u64 {
        let mut bytes = [0; 8];
        // The only failure is an operating system without randomness; a function without it must not go on.
        #[expect(clippy::expect_used, reason = "nothing can be drawn without the system's randomness")]
        self.random.fill(&mut bytes).expect("the operating system gives randomness");
        u64::from_le_bytes(bytes)
    }
}

/// For functions that never call out: every call is refused.
#[derive(Clone, Copy, Debug)]
pub struct NoHttp;

impl Http for NoHttp {
    fn send(&self, _: Call) -> Sending<'_> {
        Box::pin(async { Err(HttpError::Request) })
    }
}

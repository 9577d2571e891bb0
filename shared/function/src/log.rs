//! The log, as Lambda's advanced logging controls ask for it.
//!
//! The runtime's own subscriber does the same with an `EnvFilter`, whose regular expressions are a tenth of a
//! megabyte in every function's zip; a level is all that Lambda sets.

use tracing_subscriber::filter::LevelFilter;

use crate::Env;

/// The most that is ever logged, whatever is asked for: at TRACE the AWS SDK writes whole requests and answers, and with them
/// health values, names and the values of secrets.
pub const MOST_VERBOSE: LevelFilter = LevelFilter::DEBUG;

/// Sends the log to stdout: JSON if `AWS_LAMBDA_LOG_FORMAT` says so, from the level `AWS_LAMBDA_LOG_LEVEL` (else
/// INFO) on, without a time (CloudWatch has one). Down to INFO each line carries its request's id, by the
/// runtime's span.
pub fn init_logging() {
    let env = Env::process();
    let level = level(&env);
    let log = tracing_subscriber::fmt().with_target(false).without_time().with_max_level(level);
    match env.optional("AWS_LAMBDA_LOG_FORMAT") {
        Some(format) if format.eq_ignore_ascii_case("json") => log.json().init(),
        _ => log.init(),
    }
}

fn level(env: &Env) -> LevelFilter {
    let asked = env.parsed("AWS_LAMBDA_LOG_LEVEL", LevelFilter::INFO, "a log level").unwrap_or(LevelFilter::INFO);
    asked.min(MOST_VERBOSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_is_what_is_asked_for_and_never_shows_requests() {
        let of = |level: &str| super::level(&Env::of([("AWS_LAMBDA_LOG_LEVEL".to_owned(), level.to_owned())].into()));
        assert_eq!(of("TRACE"), LevelFilter::DEBUG);
        assert_eq!(of("WARN"), LevelFilter::WARN);
        assert_eq!(of("nonsense"), LevelFilter::INFO);
    }
}

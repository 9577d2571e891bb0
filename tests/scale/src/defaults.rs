//! What `infra/template.yaml` has as its defaults: limits follow from them, and the document names them.

use std::collections::BTreeMap;

use afferent_local::template::{Place, Template};

use crate::Error;

const TEMPLATE: &str = include_str!("../../../infra/template.yaml");

/// Under which name the most is that `WithingsLimit` may be.
pub const MOST_ALLOWED: &str = "WithingsLimit at most";

/// The parameters that are numbers.
///
/// # Errors
/// The template cannot be read, or sets no such bound.
pub fn numbers() -> Result<BTreeMap<String, f64>, Error> {
    let given = [("WithingsClientId", "id"), ("WithingsClientSecret", "secret"), ("CallbackSecretSha256", "none")];
    let given: BTreeMap<String, String> = given.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let parameters = Template::parse(TEMPLATE, &Place::default(), &given)?.parameters;
    let mut numbers: BTreeMap<String, f64> =
        parameters.into_iter().filter_map(|(name, value)| Some((name, value.parse().ok()?))).collect();
    let most = most_of("WithingsLimit").ok_or("WithingsLimit has no MaxValue")?;
    numbers.insert(MOST_ALLOWED.to_owned(), most);
    Ok(numbers)
}

/// `MaxValue` of a parameter.
fn most_of(parameter: &str) -> Option<f64> {
    let head = format!("  {parameter}:");
    let own = TEMPLATE.lines().skip_while(|line| *line != head).skip(1).take_while(|line| line.starts_with("    "));
    own.filter_map(|line| line.trim().strip_prefix("MaxValue:")).find_map(|most| most.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_and_the_bound_are_those_of_the_template() {
        let numbers = numbers().unwrap();
        for name in ["WithingsLimit", "PullsConcurrency", "DispatcherConcurrency", "FanoutParallelization"] {
            let default =
                TEMPLATE.split(&format!("\n  {name}:\n")).nth(1).and_then(|own| own.split("Default: ").nth(1));
            let default = default.and_then(|text| text.lines().next()).unwrap();
            assert_eq!(numbers[name], default.parse::<f64>().unwrap(), "{name}");
        }
        assert!(numbers[MOST_ALLOWED] > numbers["WithingsLimit"]);
        assert_eq!(most_of("AppName"), None, "that of another parameter is not its own");
    }
}

//! Which Withings is called, and how often it may be.

use afferent_domain::budget::Limit;
use afferent_function::{Env, StartError};
use afferent_withings::Region;

/// What a function that calls Withings reads from its environment.
#[derive(Clone, Debug)]
pub struct Place {
    /// `WITHINGS_REGION`: `eu` (the public cloud, unless it is set) or `us`; userids are unique within one.
    pub region: Region,
    /// `WITHINGS_API_URL`: where the API is; the region's own unless it is set.
    pub api_url: String,
    /// `WITHINGS_LIMIT`: requests in any 60 s that the plan allows; 120 unless it is set.
    pub limit: Limit,
}

impl Place {
    /// Reads the environment.
    ///
    /// # Errors
    /// A variable cannot be read.
    pub fn from_env(env: &Env) -> Result<Self, StartError> {
        let region = env.parsed("WITHINGS_REGION", Region::default(), "eu or us")?;
        Ok(Self {
            region,
            api_url: env.optional("WITHINGS_API_URL").unwrap_or_else(|| region.api_url().to_owned()),
            limit: Limit::new(env.parsed("WITHINGS_LIMIT", 120, "a whole number from 2 to 30000")?)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(variables: &[(&str, &str)]) -> Result<Place, StartError> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Place::from_env(&Env::of(variables.collect()))
    }

    #[test]
    fn the_region_picks_the_address_unless_one_is_given() {
        assert_eq!(place(&[]).unwrap().api_url, "https://wbsapi.withings.net");
        assert_eq!(place(&[("WITHINGS_REGION", "us")]).unwrap().api_url, "https://wbsapi.us.withingsmed.net");
        let given = place(&[("WITHINGS_REGION", "us"), ("WITHINGS_API_URL", "http://127.0.0.1:9100")]).unwrap();
        assert_eq!((given.region, given.api_url.as_str()), (Region::Us, "http://127.0.0.1:9100"));
        assert!(place(&[("WITHINGS_REGION", "asia")]).is_err());
        assert!(place(&[("WITHINGS_LIMIT", "1")]).is_err());
    }
}

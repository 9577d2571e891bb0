//! Withings' clouds. Accounts, tokens and userids belong to one of them.

use std::fmt;
use std::str::FromStr;

/// One of Withings' clouds (Withings: "Token endpoint update", "FAQ").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Region {
    /// The public cloud, in the EU.
    #[default]
    Eu,
    /// The cloud for medical customers in the US.
    Us,
}

impl Region {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Eu, Self::Us];

    /// As variables and table keys have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Eu => "eu",
            Self::Us => "us",
        }
    }

    /// Where its API is.
    #[must_use]
    pub const fn api_url(self) -> &'static str {
        match self {
            Self::Eu => "https://wbsapi.withings.net",
            Self::Us => "https://wbsapi.us.withingsmed.net",
        }
    }

    /// Where people consent.
    #[must_use]
    pub const fn account_url(self) -> &'static str {
        match self {
            Self::Eu => "https://account.withings.com",
            Self::Us => "https://account.us.withingsmed.com",
        }
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither eu nor us")]
pub struct UnknownRegion;

impl FromStr for Region {
    type Err = UnknownRegion;

    fn from_str(text: &str) -> Result<Self, UnknownRegion> {
        Self::ALL.into_iter().find(|region| region.name() == text).ok_or(UnknownRegion)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_has_its_own_hosts_and_reads_back_by_its_name() {
        for region in Region::ALL {
            assert_eq!(region.name().parse(), Ok(region));
        }
        assert_eq!("EU".parse::<Region>(), Err(UnknownRegion));
        assert_ne!(Region::Eu.api_url(), Region::Us.api_url());
        assert_eq!(Region::Us.account_url(), "https://account.us.withingsmed.com");
    }
}

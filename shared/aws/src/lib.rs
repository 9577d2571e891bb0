//! How the AWS SDK is reached: region, credentials, endpoint, TLS, timeouts, clock.

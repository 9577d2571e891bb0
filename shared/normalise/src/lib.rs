//! From what Withings answers to health records.

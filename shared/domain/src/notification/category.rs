//! The categories of notifications, and what each asks for.

use crate::connection::Scope;
use crate::service::Service;

/// A category that this version knows, by its `appli` number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Category {
    /// Weight and body composition.
    Weight = 1,
    /// Temperature.
    Temperature = 2,
    /// Blood pressure, heart rate, SpO2.
    Pressure = 4,
    /// Activity and workouts.
    Activity = 16,
    /// Sleep.
    Sleep = 44,
    /// Something happened to the profile: a hint, never believed.
    Profile = 46,
    /// The user lay down.
    BedIn = 50,
    /// The user got up.
    BedOut = 51,
    /// The sleep mat finished inflating.
    InflateDone = 52,
    /// A device was set up without an account.
    DeviceSetup = 53,
    /// An electrocardiogram.
    Ecg = 54,
    /// An electrocardiogram failed.
    EcgFailed = 55,
    /// Glucose.
    Glucose = 58,
    /// A survey was answered.
    Survey = 60,
    /// A stethoscope recording.
    Stethoscope = 61,
    /// Heart rate variability.
    Hrv = 62,
    /// Urine (U-Scan).
    Urine = 63,
    /// Somebody is in bed, seen by a poll every 10 min (Live Sync, needs a contract).
    BedOccupied = 98,
    /// Nobody is in bed (Live Sync).
    BedEmpty = 99,
    /// Somebody got in or out of bed (Live Sync).
    BedInOut = 100,
}

/// What a category asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Read these services.
    Pull(&'static [Service]),
    /// The notification is the data: it becomes a record.
    Record,
    /// It becomes a record, and the link is verified by a call before anything is undone.
    Verify,
}

impl Category {
    /// Every category.
    pub const ALL: [Self; 20] = [
        Self::Weight,
        Self::Temperature,
        Self::Pressure,
        Self::Activity,
        Self::Sleep,
        Self::Profile,
        Self::BedIn,
        Self::BedOut,
        Self::InflateDone,
        Self::DeviceSetup,
        Self::Ecg,
        Self::EcgFailed,
        Self::Glucose,
        Self::Survey,
        Self::Stethoscope,
        Self::Hrv,
        Self::Urine,
        Self::BedOccupied,
        Self::BedEmpty,
        Self::BedInOut,
    ];

    /// The category with this `appli` number.
    #[must_use]
    pub fn of(appli: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|category| category.appli() == appli)
    }

    /// Its `appli` number.
    #[must_use]
    pub const fn appli(self) -> u32 {
        self as u32
    }

    /// What it asks for. The services of 61 and 62 go beyond Withings' table (which says getmeas for both):
    /// recordings are in `stetho list`, and heart rate variability is in the sleep and intraday series. The intervals
    /// of an ECG are measures that no other category announces. The series of 16 and 44 are not named: they are read
    /// where the day or night turns out new or changed.
    #[must_use]
    pub const fn effect(self) -> Effect {
        match self {
            Self::Weight | Self::Temperature | Self::Pressure | Self::Glucose | Self::Urine => {
                Effect::Pull(&[Service::Getmeas])
            }
            Self::Activity => Effect::Pull(&[Service::Getactivity, Service::Getworkouts]),
            Self::Sleep => Effect::Pull(&[Service::SleepGetsummary]),
            Self::Ecg => Effect::Pull(&[Service::HeartList, Service::Getmeas]),
            Self::Survey => Effect::Pull(&[Service::AnswersGet]),
            Self::Stethoscope => Effect::Pull(&[Service::Getmeas, Service::StethoList]),
            Self::Hrv => Effect::Pull(&[
                Service::Getmeas,
                Service::SleepGetsummary,
                Service::SleepGet,
                Service::Getintradayactivity,
            ]),
            Self::Profile => Effect::Verify,
            Self::BedIn
            | Self::BedOut
            | Self::InflateDone
            | Self::DeviceSetup
            | Self::EcgFailed
            | Self::BedOccupied
            | Self::BedEmpty
            | Self::BedInOut => Effect::Record,
        }
    }

    /// The scope without which it is never sent (Withings, "Notification content"); 53 and 60 need none that a
    /// user grants.
    #[must_use]
    pub const fn scope(self) -> Option<Scope> {
        match self {
            Self::Weight
            | Self::Temperature
            | Self::Pressure
            | Self::Ecg
            | Self::EcgFailed
            | Self::Glucose
            | Self::Stethoscope
            | Self::Hrv
            | Self::Urine => Some(Scope::Metrics),
            Self::Activity | Self::Sleep => Some(Scope::Activity),
            Self::Profile => Some(Scope::Info),
            Self::BedIn | Self::BedOut | Self::InflateDone | Self::BedOccupied | Self::BedEmpty | Self::BedInOut => {
                Some(Scope::SleepEvents)
            }
            Self::DeviceSetup | Self::Survey => None,
        }
    }
}

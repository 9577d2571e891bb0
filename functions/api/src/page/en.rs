//! The page in English.

use super::words::Words;

pub(super) const WORDS: Words = Words {
    app: "the app that sent you here",
    title: "Connect Withings",
    intro: "You are about to share health data from your Withings account with {app}.",
    shared: "What will be shared",
    info: "Your devices, your goals and your profile",
    metrics: "Your measurements: weight and body composition, blood pressure, heart rate, temperature, and recordings such as an ECG",
    activity: "Your activity, workouts and sleep",
    sleep_events: "When you get into and out of bed",
    needed: "needed",
    next: "What happens next",
    next_text: "Withings asks you to sign in and to allow this. Your password stays with Withings.",
    ending: "You can end this at any time: in your Withings account, or by asking those who sent you here.",
    proceed: "Continue to Withings",
    cancel: "Cancel",
    moment_title: "One moment",
    moment: "Your Withings account is being connected. This page goes on by itself.",
    connected_title: "Connected",
    connected: "Your Withings account is connected.",
    refused_title: "Not connected",
    expired: "This link is no longer valid. Ask for a new one.",
    consumed: "This link was used before. Ask for a new one.",
    denied: "You did not allow the connection. Nothing was shared.",
    duplicate: "This Withings account is connected already.",
    scopes_missing: "A permission that is needed was not given. Ask for a new link and leave all permissions on.",
    other_browser: "You came from another browser than the one in which you opened the link, or it keeps no cookies. Open the link again and stay in one browser.",
    provider_error: "Withings could not be reached, or did not answer as expected. Ask for a new link.",
    close: "You can close this page.",
    back: "Back to the app",
};

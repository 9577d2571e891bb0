//! The page in German.

use super::words::Words;

pub(super) const WORDS: Words = Words {
    app: "der App, die Sie hierher geschickt hat",
    title: "Withings verbinden",
    intro: "Sie sind dabei, Gesundheitsdaten aus Ihrem Withings-Konto mit {app} zu teilen.",
    shared: "Was geteilt wird",
    info: "Ihre Geräte, Ihre Ziele und Ihr Profil",
    metrics: "Ihre Messwerte: Gewicht und Körperzusammensetzung, Blutdruck, Puls, Temperatur und Aufzeichnungen wie ein EKG",
    activity: "Ihre Aktivität, Ihr Training und Ihr Schlaf",
    sleep_events: "Wann Sie ins Bett gehen und aufstehen",
    needed: "erforderlich",
    next: "Wie es weitergeht",
    next_text: "Withings bittet Sie, sich anzumelden und dem zuzustimmen. Ihr Passwort bleibt bei Withings.",
    ending: "Sie können das jederzeit beenden: in Ihrem Withings-Konto oder bei denen, die Sie hierher geschickt haben.",
    proceed: "Weiter zu Withings",
    cancel: "Abbrechen",
    moment_title: "Einen Moment",
    moment: "Ihr Withings-Konto wird gerade verbunden. Diese Seite geht von selbst weiter.",
    connected_title: "Verbunden",
    connected: "Ihr Withings-Konto ist verbunden.",
    refused_title: "Nicht verbunden",
    expired: "Dieser Link ist nicht mehr gültig. Bitten Sie um einen neuen.",
    consumed: "Dieser Link wurde schon benutzt. Bitten Sie um einen neuen.",
    denied: "Sie haben der Verbindung nicht zugestimmt. Es wurde nichts geteilt.",
    duplicate: "Dieses Withings-Konto ist schon verbunden.",
    scopes_missing: "Eine erforderliche Berechtigung fehlt. Bitten Sie um einen neuen Link und lassen Sie alle Berechtigungen eingeschaltet.",
    other_browser: "Sie sind in einem anderen Browser als dem, in dem Sie den Link geöffnet haben, oder er speichert keine Cookies. Öffnen Sie den Link noch einmal und bleiben Sie in einem Browser.",
    provider_error: "Withings war nicht erreichbar oder hat nicht wie erwartet geantwortet. Bitten Sie um einen neuen Link.",
    close: "Sie können diese Seite schließen.",
    back: "Zurück zur App",
};

//! The page in Dutch.

use super::words::Words;

pub(super) const WORDS: Words = Words {
    app: "de app die u hierheen heeft gestuurd",
    title: "Withings koppelen",
    intro: "U staat op het punt gezondheidsgegevens van uw Withings-account te delen met {app}.",
    shared: "Wat er wordt gedeeld",
    info: "Uw apparaten, uw doelen en uw profiel",
    metrics: "Uw metingen: gewicht en lichaamssamenstelling, bloeddruk, hartslag, temperatuur en opnamen zoals een ecg",
    activity: "Uw activiteit, uw trainingen en uw slaap",
    sleep_events: "Wanneer u naar bed gaat en opstaat",
    needed: "nodig",
    next: "Wat er daarna gebeurt",
    next_text: "Withings vraagt u in te loggen en toestemming te geven. Uw wachtwoord blijft bij Withings.",
    ending: "U kunt dit op elk moment beëindigen: in uw Withings-account, of door het te vragen aan wie u hierheen heeft gestuurd.",
    proceed: "Verder naar Withings",
    cancel: "Annuleren",
    moment_title: "Een ogenblik",
    moment: "Uw Withings-account wordt gekoppeld. Deze pagina gaat vanzelf verder.",
    connected_title: "Gekoppeld",
    connected: "Uw Withings-account is gekoppeld.",
    refused_title: "Niet gekoppeld",
    expired: "Deze link is niet meer geldig. Vraag om een nieuwe.",
    consumed: "Deze link is al gebruikt. Vraag om een nieuwe.",
    denied: "U hebt de koppeling niet toegestaan. Er is niets gedeeld.",
    duplicate: "Dit Withings-account is al gekoppeld.",
    scopes_missing: "Een toestemming die nodig is, is niet gegeven. Vraag om een nieuwe link en laat alle toestemmingen aan staan.",
    other_browser: "U bent in een andere browser dan die waarin u de link hebt geopend, of de browser bewaart geen cookies. Open de link opnieuw en blijf in één browser.",
    provider_error: "Withings was niet bereikbaar of gaf niet het verwachte antwoord. Vraag om een nieuwe link.",
    close: "U kunt deze pagina sluiten.",
    back: "Terug naar de app",
};

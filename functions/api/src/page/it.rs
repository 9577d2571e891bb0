//! The page in Italian.

use super::words::Words;

pub(super) const WORDS: Words = Words {
    app: "l’app che ti ha mandato qui",
    title: "Collega Withings",
    intro: "Stai per condividere dati sulla salute del tuo account Withings con {app}.",
    shared: "Che cosa sarà condiviso",
    info: "I tuoi dispositivi, i tuoi obiettivi e il tuo profilo",
    metrics: "Le tue misurazioni: peso e composizione corporea, pressione arteriosa, frequenza cardiaca, temperatura e registrazioni come un ECG",
    activity: "La tua attività, i tuoi allenamenti e il tuo sonno",
    sleep_events: "Quando vai a letto e quando ti alzi",
    needed: "necessario",
    next: "Che cosa succede dopo",
    next_text: "Withings ti chiede di accedere e di autorizzare la condivisione. La tua password resta a Withings.",
    ending: "Puoi interrompere in qualsiasi momento: nel tuo account Withings o chiedendolo a chi ti ha mandato qui.",
    proceed: "Continua su Withings",
    cancel: "Annulla",
    moment_title: "Un attimo",
    moment: "Il tuo account Withings viene collegato. Questa pagina prosegue da sola.",
    connected_title: "Collegato",
    connected: "Il tuo account Withings è collegato.",
    refused_title: "Non collegato",
    expired: "Questo link non è più valido. Chiedine uno nuovo.",
    consumed: "Questo link è già stato usato. Chiedine uno nuovo.",
    denied: "Non hai autorizzato il collegamento. Non è stato condiviso nulla.",
    duplicate: "Questo account Withings è già collegato.",
    scopes_missing: "Manca un’autorizzazione necessaria. Chiedi un nuovo link e lascia attive tutte le autorizzazioni.",
    other_browser: "Sei in un browser diverso da quello in cui hai aperto il link, oppure non salva i cookie. Apri di nuovo il link e resta in un solo browser.",
    provider_error: "Non è stato possibile raggiungere Withings, o la risposta non era quella attesa. Chiedi un nuovo link.",
    close: "Puoi chiudere questa pagina.",
    back: "Torna all’app",
};

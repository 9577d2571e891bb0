//! The page in French.

use super::words::Words;

pub(super) const WORDS: Words = Words {
    app: "l’application qui vous a envoyé ici",
    title: "Connecter Withings",
    intro: "Vous allez partager des données de santé de votre compte Withings avec {app}.",
    shared: "Ce qui sera partagé",
    info: "Vos appareils, vos objectifs et votre profil",
    metrics: "Vos mesures : poids et composition corporelle, tension artérielle, fréquence cardiaque, température, et des enregistrements comme un ECG",
    activity: "Votre activité, vos entraînements et votre sommeil",
    sleep_events: "Le moment où vous vous couchez et vous levez",
    needed: "nécessaire",
    next: "Ce qui se passe ensuite",
    next_text: "Withings vous demande de vous connecter et d’autoriser ce partage. Votre mot de passe reste chez Withings.",
    ending: "Vous pouvez y mettre fin à tout moment : dans votre compte Withings, ou en le demandant à ceux qui vous ont envoyé ici.",
    proceed: "Continuer vers Withings",
    cancel: "Annuler",
    moment_title: "Un instant",
    moment: "Votre compte Withings est en cours de connexion. Cette page continue d’elle-même.",
    connected_title: "Connecté",
    connected: "Votre compte Withings est connecté.",
    refused_title: "Non connecté",
    expired: "Ce lien n’est plus valable. Demandez-en un nouveau.",
    consumed: "Ce lien a déjà été utilisé. Demandez-en un nouveau.",
    denied: "Vous n’avez pas autorisé la connexion. Rien n’a été partagé.",
    duplicate: "Ce compte Withings est déjà connecté.",
    scopes_missing: "Une autorisation nécessaire n’a pas été donnée. Demandez un nouveau lien et laissez toutes les autorisations activées.",
    other_browser: "Vous n’êtes pas dans le navigateur où vous avez ouvert le lien, ou il n’enregistre pas de cookies. Ouvrez de nouveau le lien et restez dans un seul navigateur.",
    provider_error: "Withings n’a pas pu être joint, ou n’a pas répondu comme prévu. Demandez un nouveau lien.",
    close: "Vous pouvez fermer cette page.",
    back: "Retour à l’application",
};

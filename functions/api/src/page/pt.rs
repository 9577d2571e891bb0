//! The page in Portuguese.

use super::words::Words;

pub(super) const WORDS: Words = Words {
    app: "a aplicação que o trouxe até aqui",
    title: "Ligar a Withings",
    intro: "Está prestes a partilhar dados de saúde da sua conta Withings com {app}.",
    shared: "O que será partilhado",
    info: "Os seus dispositivos, os seus objetivos e o seu perfil",
    metrics: "As suas medições: peso e composição corporal, tensão arterial, frequência cardíaca, temperatura e registos como um ECG",
    activity: "A sua atividade, os seus treinos e o seu sono",
    sleep_events: "Quando se deita e quando se levanta",
    needed: "necessário",
    next: "O que acontece a seguir",
    next_text: "A Withings pede-lhe que inicie sessão e que autorize a partilha. A sua palavra-passe fica na Withings.",
    ending: "Pode terminar a partilha em qualquer altura: na sua conta Withings ou pedindo a quem o trouxe até aqui.",
    proceed: "Continuar para a Withings",
    cancel: "Cancelar",
    moment_title: "Só um momento",
    moment: "A sua conta Withings está a ser ligada. Esta página continua sozinha.",
    connected_title: "Ligada",
    connected: "A sua conta Withings está ligada.",
    refused_title: "Não ligada",
    expired: "Esta ligação já não é válida. Peça uma nova.",
    consumed: "Esta ligação já foi usada. Peça uma nova.",
    denied: "Não autorizou a ligação. Nada foi partilhado.",
    duplicate: "Esta conta Withings já está ligada.",
    scopes_missing: "Falta uma autorização necessária. Peça uma nova ligação e deixe todas as autorizações ativas.",
    other_browser: "Está num navegador diferente daquele em que abriu a ligação, ou este não guarda cookies. Abra a ligação de novo e continue num só navegador.",
    provider_error: "Não foi possível contactar a Withings, ou a resposta não foi a esperada. Peça uma nova ligação.",
    close: "Pode fechar esta página.",
    back: "Voltar à aplicação",
};

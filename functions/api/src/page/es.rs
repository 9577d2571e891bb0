//! The page in Spanish.

use super::words::Words;

pub(super) const WORDS: Words = Words {
    app: "la aplicación que le ha enviado aquí",
    title: "Conectar Withings",
    intro: "Va a compartir datos de salud de su cuenta de Withings con {app}.",
    shared: "Qué se compartirá",
    info: "Sus dispositivos, sus objetivos y su perfil",
    metrics: "Sus mediciones: peso y composición corporal, presión arterial, frecuencia cardíaca, temperatura y registros como un ECG",
    activity: "Su actividad, sus entrenamientos y su sueño",
    sleep_events: "Cuándo se acuesta y se levanta",
    needed: "necesario",
    next: "Qué pasa después",
    next_text: "Withings le pide que inicie sesión y que lo autorice. Su contraseña se queda en Withings.",
    ending: "Puede ponerle fin en cualquier momento: en su cuenta de Withings o pidiéndolo a quienes le han enviado aquí.",
    proceed: "Continuar a Withings",
    cancel: "Cancelar",
    moment_title: "Un momento",
    moment: "Se está conectando su cuenta de Withings. Esta página continúa sola.",
    connected_title: "Conectada",
    connected: "Su cuenta de Withings está conectada.",
    refused_title: "No conectada",
    expired: "Este enlace ya no es válido. Pida uno nuevo.",
    consumed: "Este enlace ya se ha utilizado. Pida uno nuevo.",
    denied: "No ha autorizado la conexión. No se ha compartido nada.",
    duplicate: "Esta cuenta de Withings ya está conectada.",
    scopes_missing: "Falta un permiso necesario. Pida un enlace nuevo y deje activados todos los permisos.",
    other_browser: "Está en otro navegador que aquel en el que abrió el enlace, o no guarda cookies. Abra el enlace de nuevo y continúe en un solo navegador.",
    provider_error: "No se ha podido contactar con Withings, o no ha respondido como se esperaba. Pida un enlace nuevo.",
    close: "Puede cerrar esta página.",
    back: "Volver a la aplicación",
};

//! What the page says, in each of its languages.

use afferent_domain::link::{Language, Refusal};

use super::{de, en, es, fr, it, ja, nl, pt};

/// The texts of one language. None of them is HTML.
#[derive(Debug)]
pub(super) struct Words {
    /// Who asks, where no name is set; stands in `intro` for `{app}`, in the case that it wants.
    pub(super) app: &'static str,
    pub(super) title: &'static str,
    pub(super) intro: &'static str,
    /// The heading over what is shared.
    pub(super) shared: &'static str,
    pub(super) info: &'static str,
    pub(super) metrics: &'static str,
    pub(super) activity: &'static str,
    pub(super) sleep_events: &'static str,
    /// Said of what there is no connection without.
    pub(super) needed: &'static str,
    /// The heading over the last two.
    pub(super) next: &'static str,
    pub(super) next_text: &'static str,
    pub(super) ending: &'static str,
    pub(super) proceed: &'static str,
    pub(super) cancel: &'static str,
    /// While a visit is under way.
    pub(super) moment_title: &'static str,
    pub(super) moment: &'static str,
    pub(super) connected_title: &'static str,
    pub(super) connected: &'static str,
    pub(super) refused_title: &'static str,
    pub(super) expired: &'static str,
    pub(super) consumed: &'static str,
    pub(super) denied: &'static str,
    pub(super) duplicate: &'static str,
    pub(super) scopes_missing: &'static str,
    pub(super) other_browser: &'static str,
    pub(super) provider_error: &'static str,
    pub(super) close: &'static str,
    /// The way back to the customer.
    pub(super) back: &'static str,
}

impl Words {
    pub(super) const fn of(language: Language) -> &'static Self {
        match language {
            Language::En => &en::WORDS,
            Language::De => &de::WORDS,
            Language::Fr => &fr::WORDS,
            Language::Es => &es::WORDS,
            Language::It => &it::WORDS,
            Language::Nl => &nl::WORDS,
            Language::Pt => &pt::WORDS,
            Language::Ja => &ja::WORDS,
        }
    }

    pub(super) const fn refusal(&self, refusal: Refusal) -> &'static str {
        match refusal {
            Refusal::TokenExpired => self.expired,
            Refusal::TokenConsumed => self.consumed,
            Refusal::Denied => self.denied,
            Refusal::DuplicateConnection => self.duplicate,
            Refusal::RequiredScopesMissing => self.scopes_missing,
            Refusal::OtherBrowser => self.other_browser,
            Refusal::ProviderError => self.provider_error,
        }
    }

    /// Who is about to get the data.
    pub(super) fn asks(&self, name: Option<&str>) -> String {
        self.intro.replace("{app}", name.unwrap_or(self.app))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every text with the name of its field.
    fn texts(words: &Words) -> Vec<(String, String)> {
        let shown = format!("{words:#?}");
        let lines = shown.lines().filter_map(|line| line.trim().split_once(": "));
        lines.map(|(name, text)| (name.to_owned(), text.trim_matches([',', '"']).to_owned())).collect()
    }

    #[test]
    fn no_language_lacks_a_text() {
        for language in Language::ALL {
            let texts = texts(Words::of(language));
            assert_eq!(texts.len(), 28, "{language}");
            let blank: Vec<_> = texts.iter().filter(|(_, text)| text.trim().is_empty()).collect();
            assert!(blank.is_empty(), "{language}: {blank:?}");
            let different: BTreeSet<_> = texts.iter().map(|(_, text)| text).collect();
            assert_eq!(different.len(), texts.len(), "{language} says two things in the same words");
        }
    }

    #[test]
    fn no_language_says_anything_in_the_words_of_another() {
        for language in Language::ALL.into_iter().filter(|language| *language != Language::En) {
            for ((name, text), (_, english)) in texts(Words::of(language)).into_iter().zip(texts(&en::WORDS)) {
                assert_ne!(text, english, "{language}: {name}");
            }
        }
    }

    #[test]
    fn every_language_names_who_asks_once_and_nowhere_else() {
        for language in Language::ALL {
            let words = Words::of(language);
            let named: Vec<_> = texts(words).into_iter().filter(|(_, text)| text.contains('{')).collect();
            assert_eq!(named, [("intro".to_owned(), words.intro.to_owned())], "{language}");
            assert_eq!(words.intro.matches("{app}").count(), 1, "{language}");
            assert!(words.asks(Some("Acme")).contains("Acme") && words.asks(None).contains(words.app));
        }
    }

    #[test]
    fn english_says_what_the_problems_say() {
        for refusal in Refusal::ALL {
            assert_eq!(en::WORDS.refusal(refusal), refusal.to_string());
        }
    }
}

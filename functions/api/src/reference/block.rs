//! What the reference is made of, whatever it is written as. Texts are a line of Markdown each, of which there may be
//! `` `code` `` and `[links](#there)` and nothing else.

/// A part of the reference.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// A heading of a level from 1, and what a link calls it.
    Heading { level: u8, id: String, text: String },
    /// A paragraph.
    Text(String),
    /// A list.
    List(Vec<String>),
    /// A table, with as many cells in each row as there are in its head.
    Table { head: &'static [&'static str], rows: Vec<Vec<String>> },
    /// Commands, or JSON.
    Code(String),
}

/// A piece of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Words(&'a str),
    Code(&'a str),
    /// A link, and the text that is one.
    Link(&'a str, &'a str),
}

/// Cuts a text into its pieces. What is not closed is words.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let (mut found, mut rest) = (Vec::new(), text);
    while let Some(place) = rest.find(['`', '[']) {
        let (before, from) = rest.split_at(place);
        let Some((piece, after)) = code(from).or_else(|| link(from)) else {
            // A lone sign: it goes with the words before it.
            let (words, after) = rest.split_at(place + 1);
            found.push(Piece::Words(words));
            rest = after;
            continue;
        };
        if !before.is_empty() {
            found.push(Piece::Words(before));
        }
        found.push(piece);
        rest = after;
    }
    if !rest.is_empty() {
        found.push(Piece::Words(rest));
    }
    found
}

fn code(text: &str) -> Option<(Piece<'_>, &str)> {
    let (code, after) = text.strip_prefix('`')?.split_once('`')?;
    Some((Piece::Code(code), after))
}

fn link(text: &str) -> Option<(Piece<'_>, &str)> {
    let (shown, rest) = text.strip_prefix('[')?.split_once("](")?;
    let (target, after) = rest.split_once(')')?;
    // Nothing else than places of the page and pages of the web: a text is not to bring a script.
    let is_harmless = target.starts_with('#') || target.starts_with("https://");
    (is_harmless && !shown.contains('[')).then_some((Piece::Link(target, shown), after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_words_code_and_links() {
        let found = pieces("say `GET` or [look](#a) there");
        let expected = [
            Piece::Words("say "),
            Piece::Code("GET"),
            Piece::Words(" or "),
            Piece::Link("#a", "look"),
            Piece::Words(" there"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_not_closed_is_words_and_a_link_leads_nowhere_else() {
        for text in ["a ` b", "[x] y", "[x](javascript:alert(1))", "["] {
            assert!(pieces(text).iter().all(|piece| matches!(piece, Piece::Words(_))), "{text}");
        }
    }
}

//! The escapes of R4 (`search.html#escaping`): `\,` `\|` `\$` `\\` in a value stand for the characters themselves, which
//! separate nothing then.

/// What may stand behind a backslash.
const ESCAPED: [char; 4] = [',', '|', '$', '\\'];

/// The pieces between the separators that are not escaped. They keep their escapes.
pub(super) fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut pieces, mut begin, mut is_escaped) = (Vec::new(), 0, false);
    for (place, character) in text.char_indices() {
        if is_escaped {
            is_escaped = false;
        } else if character == '\\' {
            is_escaped = true;
        } else if character == separator {
            pieces.push(&text[begin..place]);
            begin = place + separator.len_utf8();
        }
    }
    pieces.push(&text[begin..]);
    pieces
}

/// The text before the first separator that is not escaped, and the text behind it.
pub(super) fn split_once(text: &str, separator: char) -> Option<(&str, &str)> {
    let first = *split(text, separator).first()?;
    text.get(first.len() + separator.len_utf8()..).map(|rest| (first, rest))
}

/// What the text stands for. A backslash before anything else is a backslash.
pub(super) fn unescape(text: &str) -> String {
    let (mut plain, mut characters) = (String::with_capacity(text.len()), text.chars().peekable());
    while let Some(character) = characters.next() {
        let escaped = characters.next_if(|next| character == '\\' && ESCAPED.contains(next));
        plain.push(escaped.unwrap_or(character));
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn escape(text: &str) -> String {
        text.chars().fold(String::new(), |mut escaped, character| {
            escaped.extend(ESCAPED.contains(&character).then_some('\\'));
            escaped.push(character);
            escaped
        })
    }

    proptest! {
        #[test]
        fn what_is_escaped_reads_back_and_separates_nothing(values in prop::collection::vec(r"[a,|$\\é ]{0,8}", 1..5)) {
            let text = values.iter().map(|value| escape(value)).collect::<Vec<_>>().join(",");
            let read: Vec<String> = split(&text, ',').into_iter().map(unescape).collect();
            prop_assert_eq!(read, values);
        }
    }

    #[test]
    fn a_backslash_before_anything_else_is_one() {
        for (text, plain) in [(r"a\b", r"a\b"), ("a\\", "a\\"), (r"\\,", r"\,"), (r"smith\, john", "smith, john")] {
            assert_eq!(unescape(text), plain);
        }
    }

    #[test]
    fn only_what_is_not_escaped_separates() {
        assert_eq!(split_once(r"a\|b|c|d", '|'), Some((r"a\|b", "c|d")));
        assert_eq!(split_once(r"a\|b", '|'), None);
        assert_eq!(split_once("|", '|'), Some(("", "")));
        assert_eq!(split(r"a\\,b", ','), [r"a\\", "b"]);
    }
}

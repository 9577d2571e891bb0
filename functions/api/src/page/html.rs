//! The page's markup: no script, nothing from elsewhere, and everything that is not ours escaped.

use afferent_domain::link::Language;

/// The whole style. 44 px is the smallest target that WCAG 2.2 (2.5.5) takes for large; the colours have a contrast of
/// at least 7 to 1 in both schemes.
const STYLE: &str = "\
:root{color-scheme:light dark;--back:#fff;--text:#1a1c1e;--soft:#44484d;--line:#74797f;--deed:#0b4f9e;--on-deed:#fff}\
@media (prefers-color-scheme:dark){:root{--back:#121416;--text:#eceef0;--soft:#c0c5ca;--line:#8d939a;--deed:#a9cbff;\
--on-deed:#06244a}}\
*{box-sizing:border-box}\
body{margin:0;background:var(--back);color:var(--text);font:1.0625rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere}\
main{max-width:34rem;margin:0 auto;padding:1.5rem 1rem 3rem}\
h1{font-size:1.6rem;line-height:1.25;margin:1rem 0}\
h2{font-size:1.125rem;margin:1.75rem 0 .5rem}\
ul{margin:0;padding-inline-start:1.25rem}\
li{margin:.4rem 0}\
.needed{color:var(--soft)}\
form{display:flex;flex-wrap:wrap;gap:.75rem;margin-top:2rem}\
button,.way{display:inline-flex;align-items:center;justify-content:center;min-height:48px;min-width:44px;flex:1 1 12rem;\
padding:.5rem 1.25rem;border:2px solid var(--line);border-radius:.5rem;background:var(--back);color:var(--text);\
font:inherit;font-weight:600;text-decoration:none;cursor:pointer;transition:filter .15s}\
button.deed,.way{background:var(--deed);border-color:var(--deed);color:var(--on-deed)}\
button:hover,.way:hover{filter:brightness(1.1)}\
:focus-visible{outline:3px solid var(--text);outline-offset:3px}\
@media (prefers-reduced-motion:reduce){*{transition:none!important}}";

/// A text as it may stand in an element or in an attribute between double quotes.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// A whole page. `title` is a text, `inside` is markup.
pub(super) fn document(language: Language, title: &str, inside: &str, nonce: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"{language}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"robots\" content=\"noindex\">\n\
         <title>{title}</title>\n<style nonce=\"{nonce}\">{STYLE}</style>\n</head>\n\
         <body>\n<main>\n<h1>{title}</h1>\n{inside}</main>\n</body>\n</html>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The relative luminance of a colour (WCAG 2.2).
    fn luminance(colour: &str) -> f64 {
        let colour = colour.trim_start_matches('#');
        let full: String = if colour.len() == 3 {
            colour.chars().flat_map(|digit| [digit, digit]).collect()
        } else {
            colour.to_owned()
        };
        let part = |at: usize| {
            let value = f64::from(u8::from_str_radix(&full[at..at + 2], 16).unwrap()) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * part(0) + 0.7152 * part(2) + 0.0722 * part(4)
    }

    fn contrast(one: &str, other: &str) -> f64 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    fn colour<'a>(scheme: &'a str, name: &str) -> &'a str {
        let after = scheme.split(&format!("--{name}:")).nth(1).unwrap();
        after.split([';', '}']).next().unwrap()
    }

    #[test]
    fn both_schemes_can_be_read_by_people_who_see_little() {
        let schemes: Vec<&str> = STYLE.split(":root{").skip(1).collect();
        assert_eq!(schemes.len(), 2, "light and dark");
        for scheme in schemes {
            for (text, back) in [("text", "back"), ("soft", "back"), ("on-deed", "deed")] {
                let contrast = contrast(colour(scheme, text), colour(scheme, back));
                assert!(contrast >= 7.0, "{text} on {back}: {contrast}");
            }
            assert!(contrast(colour(scheme, "line"), colour(scheme, "back")) >= 3.0, "a button's border is seen");
        }
    }

    #[test]
    fn nothing_of_a_text_becomes_markup() {
        assert_eq!(escape(r#"<b a="1" c='2'>&amp;"#), "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;amp;");
        let page = document(Language::De, "<script>", "", "n0nce");
        assert!(!page.contains("<script") && page.contains("<html lang=\"de\">"));
    }
}

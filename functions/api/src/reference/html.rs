//! The reference as one page of HTML: no script, nothing from elsewhere.

use std::fmt::Write;

use super::block::{Block, Piece, pieces};

const STYLE: &str = "\
:root{color-scheme:light dark;--line:#8884;--code:#8882}\
body{font:1rem/1.5 system-ui,sans-serif;margin:0;display:grid;grid-template-columns:minmax(0,20rem) minmax(0,1fr)}\
nav{position:sticky;top:0;height:100vh;overflow:auto;box-sizing:border-box;padding:1rem;border-right:1px solid var(--line);font-size:.875rem}\
nav ul{list-style:none;padding:0;margin:0 0 1rem}nav a{text-decoration:none;overflow-wrap:anywhere}\
main{padding:1rem 2rem 4rem;max-width:60rem}\
h2{margin-top:4rem;border-bottom:1px solid var(--line)}h3{margin-top:3rem}h2,h3{scroll-margin-top:1rem}\
table{border-collapse:collapse;margin:1rem 0;display:block;overflow-x:auto}th,td{text-align:left;vertical-align:top;padding:.25rem .75rem .25rem 0;border-bottom:1px solid var(--line)}\
code,pre{font:.875rem/1.5 ui-monospace,monospace;background:var(--code);border-radius:.25rem}code{padding:.1rem .25rem}pre{padding:.75rem;overflow:auto}pre code{background:none;padding:0}\
@media(max-width:60rem){body{display:block}nav{position:static;height:auto;border-right:0}main{padding:1rem}}";

/// Writes the page.
pub(super) fn page(title: &str, blocks: &[Block]) -> String {
    let mut body = String::new();
    for block in blocks {
        write(&mut body, block);
    }
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<nav aria-label=\"Contents\">\n{}</nav>\n<main>\n{body}</main>\n</body>\n</html>\n",
        escaped(title),
        contents(blocks),
    )
}

/// The headings of the second level, and those of the third below them.
fn contents(blocks: &[Block]) -> String {
    let (mut html, mut is_open) = (String::new(), false);
    for block in blocks {
        let Block::Heading { level, id, text } = block else { continue };
        let link = format!("<a href=\"#{}\">{}</a>", escaped(id), inline(text));
        match level {
            2 => {
                html.push_str(if is_open { "</ul>\n" } else { "" });
                let _ = writeln!(html, "<p><strong>{link}</strong></p>\n<ul>");
                is_open = true;
            }
            3 if is_open => drop(writeln!(html, "<li>{link}</li>")),
            _ => {}
        }
    }
    html.push_str(if is_open { "</ul>\n" } else { "" });
    html
}

fn write(html: &mut String, block: &Block) {
    // Writing to a string does not fail.
    let _ = match block {
        Block::Heading { level, id, text } => {
            writeln!(html, "<h{level} id=\"{}\">{}</h{level}>", escaped(id), inline(text))
        }
        Block::Text(text) => writeln!(html, "<p>{}</p>", inline(text)),
        Block::List(items) => {
            let items: String = items.iter().map(|item| format!("<li>{}</li>", inline(item))).collect();
            writeln!(html, "<ul>{items}</ul>")
        }
        Block::Table { head, rows } => {
            let head: String = head.iter().map(|cell| format!("<th scope=\"col\">{}</th>", inline(cell))).collect();
            let cells =
                |row: &Vec<String>| row.iter().map(|cell| format!("<td>{}</td>", inline(cell))).collect::<String>();
            let rows: String = rows.iter().map(|row| format!("<tr>{}</tr>\n", cells(row))).collect();
            writeln!(html, "<table><thead><tr>{head}</tr></thead><tbody>\n{rows}</tbody></table>")
        }
        Block::Code(text) => writeln!(html, "<pre><code>{}</code></pre>", escaped(text)),
    };
}

fn inline(text: &str) -> String {
    let piece = |piece: Piece<'_>| match piece {
        Piece::Words(words) => escaped(words),
        Piece::Code(code) => format!("<code>{}</code>", escaped(code)),
        Piece::Link(target, shown) => format!("<a href=\"{}\">{}</a>", escaped(target), inline(shown)),
    };
    pieces(text).into_iter().map(piece).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_is_markup() {
        let blocks = [
            Block::Heading { level: 2, id: "a\"b".to_owned(), text: "<b>".to_owned() },
            Block::Text("`<i>` [<u>](#x\"y)".to_owned()),
            Block::Code("</code><script>".to_owned()),
        ];
        let page = page("</title>", &blocks);
        for markup in ["<b>", "<i>", "<u>", "<script>", "</title></title>", "\"x\"", "a\"b"] {
            assert!(!page.contains(markup), "{markup}");
        }
    }

    #[test]
    fn the_contents_are_the_headings() {
        let heading = |level, id: &str| Block::Heading { level, id: id.to_owned(), text: id.to_owned() };
        let html = contents(&[heading(1, "top"), heading(2, "a"), heading(3, "b"), heading(2, "c")]);
        let places: Vec<_> = ["#a", "#b", "#c"].map(|id| html.find(id).unwrap()).into();
        assert!(places.is_sorted() && !html.contains("top"));
        assert_eq!(html.matches("<ul>").count(), html.matches("</ul>").count());
    }
}

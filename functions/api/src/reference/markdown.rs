//! The reference as Markdown, for the repository.

use std::fmt::Write;

use super::block::Block;

/// Writes the page.
pub(super) fn page(blocks: &[Block]) -> String {
    let mut markdown = String::new();
    for block in blocks {
        // Writing to a string does not fail.
        let _ = match block {
            Block::Heading { level, id, text } => {
                let marks = "#".repeat(usize::from(*level));
                writeln!(markdown, "<a id=\"{id}\"></a>\n\n{marks} {text}\n")
            }
            Block::Text(text) => writeln!(markdown, "{text}\n"),
            Block::List(items) => {
                let items: String = items.iter().map(|item| format!("- {item}\n")).collect();
                writeln!(markdown, "{items}")
            }
            Block::Table { head, rows } => {
                let row = |cells: &mut dyn Iterator<Item = &str>| {
                    let cells: String = cells.map(|cell| format!(" {} |", cell.replace('|', "\\|"))).collect();
                    format!("|{cells}\n")
                };
                let rows: String = rows.iter().map(|cells| row(&mut cells.iter().map(String::as_str))).collect();
                writeln!(markdown, "{}|{}\n{rows}", row(&mut head.iter().copied()), "---|".repeat(head.len()))
            }
            Block::Code(text) => writeln!(markdown, "```sh\n{text}\n```\n"),
        };
    }
    format!("{}\n", markdown.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_does_not_end_where_its_text_has_a_bar() {
        let rows = vec![vec!["`a`".to_owned(), "x | y".to_owned()]];
        let text = page(&[Block::Table { head: &["name", "means"], rows }]);
        assert_eq!(text, "| name | means |\n|---|---|\n| `a` | x \\| y |\n");
    }
}

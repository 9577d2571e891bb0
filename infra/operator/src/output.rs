//! What is printed: the API's own JSON, or lines for people.

use std::io::Write;

use serde_json::{Map, Value};

use crate::client::json;
use crate::{Failure, Tool};

/// How wide a column gets at most, in characters.
const WIDEST: usize = 60;

/// How it is to be printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Json,
    People,
}

impl Form {
    /// Whether people read it.
    pub(crate) fn is_for_people(self) -> bool {
        self == Self::People
    }
}

impl Tool {
    /// Prints one thing: as it came, or a line for each of its members.
    pub(crate) fn show(&mut self, form: Form, text: &str) -> Result<(), Failure> {
        match form {
            Form::Json => writeln!(self.out, "{}", text.trim_end())?,
            Form::People => lines(&mut self.out, &json(text)?, "")?,
        }
        Ok(())
    }

    /// Prints a list: an object with the list under `name`, or a line for each with these members.
    pub(crate) fn list(&mut self, form: Form, name: &str, rows: Vec<Value>, columns: &[&str]) -> Result<(), Failure> {
        match form {
            Form::Json => {
                writeln!(self.out, "{}", Value::from(Map::from_iter([(name.to_owned(), Value::from(rows))])))?
            }
            Form::People if rows.is_empty() => writeln!(self.out, "no {name}")?,
            Form::People => table(&mut self.out, &rows, columns)?,
        }
        Ok(())
    }
}

/// A value in one line.
fn flat(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(members) => members.iter().map(flat).collect::<Vec<_>>().join(" "),
        Value::Object(members) => {
            members.iter().map(|(name, value)| format!("{name}={}", flat(value))).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

fn lines(out: &mut dyn Write, value: &Value, indent: &str) -> std::io::Result<()> {
    let Value::Object(members) = value else { return writeln!(out, "{indent}{}", flat(value)) };
    let widest = members.keys().map(String::len).max().unwrap_or(0);
    for (name, value) in members {
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                writeln!(out, "{indent}{name}")?;
                lines(out, value, &format!("{indent}  "))?;
            }
            Value::Array(inner) if inner.iter().any(Value::is_object) => {
                writeln!(out, "{indent}{name}")?;
                for (index, one) in inner.iter().enumerate() {
                    if index > 0 {
                        writeln!(out)?;
                    }
                    lines(out, one, &format!("{indent}  "))?;
                }
            }
            _ => writeln!(out, "{indent}{name:widest$}  {}", flat(value))?,
        }
    }
    Ok(())
}

fn table(out: &mut dyn Write, rows: &[Value], columns: &[&str]) -> std::io::Result<()> {
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| columns.iter().map(|name| flat(&row[*name]).chars().take(WIDEST).collect()).collect())
        .collect();
    let width = |index: usize| {
        let cells = cells.iter().filter_map(|row| row.get(index)).map(|cell| cell.chars().count());
        cells.chain([columns[index].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let mut line = |row: &[String]| {
        let padded: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        writeln!(out, "{}", padded.join("  ").trim_end())
    };
    line(&columns.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())?;
    cells.iter().try_for_each(|row| line(row))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_is_aligned_and_shows_what_is_not_there() {
        let mut out = Vec::new();
        let rows = [json!({"key": "key_1", "grants": ["read", "write"]}), json!({"key": "key_22"})];
        table(&mut out, &rows, &["key", "grants"]).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "key     grants\nkey_1   read write\nkey_22  -\n");
    }

    #[test]
    fn one_thing_is_a_line_for_each_of_its_members() {
        let mut out = Vec::new();
        let thing = json!({"a": 1, "inner": {"bb": null}, "list": [{"c": true}, {"c": false}]});
        lines(&mut out, &thing, "").unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "a      1\ninner\n  bb  -\nlist\n  c  true\n\n  c  false\n");
    }
}

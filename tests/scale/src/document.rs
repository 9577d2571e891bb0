//! The numbers of `docs/scale.md`, held against the data beside it.
//!
//! - A table between `<!-- table: <name> -->` and `<!-- end -->` is the one that [`crate::needs`] reckons, or the CSV of
//!   the curve of that name.
//! - A number before `<!-- <curve>: <line>: <x> -->`, `<!-- fact: <name> -->` or `<!-- default: <parameter> -->` is that
//!   point, fact or default of the template, as precisely as it is written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::needs::{Measured, limits_table, users_table};
use crate::{Error, curve, defaults};

/// Where the document and its data are.
#[must_use]
pub fn docs() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs"))
}

/// The file of the facts.
#[must_use]
pub fn facts_file(docs: &Path) -> PathBuf {
    docs.join("scale/facts.csv")
}

/// The file of a curve's numbers.
#[must_use]
pub fn csv_file(docs: &Path, curve: &str) -> PathBuf {
    docs.join(format!("scale/{curve}.csv"))
}

/// The file of its picture.
#[must_use]
pub fn svg_file(docs: &Path, curve: &str) -> PathBuf {
    docs.join(format!("images/scale-{curve}.svg"))
}

/// The facts as text.
#[must_use]
pub fn facts_csv(facts: &BTreeMap<String, f64>) -> String {
    let rows: String = facts.iter().map(|(name, value)| format!("\"{name}\",{value}\n")).collect();
    format!("fact,value\n{rows}")
}

/// What was measured, as the files have it, and the template's defaults. A file that is not there has nothing.
///
/// # Errors
/// A file cannot be read.
pub fn measured(docs: &Path) -> Result<Measured, Error> {
    let text = |path: PathBuf| if path.exists() { std::fs::read_to_string(path) } else { Ok(String::new()) };
    let mut measured = Measured { defaults: defaults::numbers()?, ..Measured::default() };
    for row in text(facts_file(docs))?.lines().skip(1) {
        let (name, value) = row.rsplit_once(',').ok_or("a fact without a value")?;
        measured.facts.insert(name.trim_matches('"').to_owned(), value.parse()?);
    }
    for curve in &curve::ALL {
        measured.curves.insert(curve.name, curve::read(&text(csv_file(docs, curve.name))?));
    }
    Ok(measured)
}

const TABLE: &str = "<!-- table: ";
const END: &str = "<!-- end -->";

/// The document with its tables made anew.
///
/// # Errors
/// It names a table that there is not, or one without an end.
pub fn with_tables(text: &str, measured: &Measured) -> Result<String, Error> {
    let (mut whole, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once(TABLE) {
        let (name, after) = after.split_once(" -->\n").ok_or("a table without a name")?;
        let (_, after) = after.split_once(END).ok_or("a table without an end")?;
        let table = match name {
            "users" => users_table(measured),
            "limits" => limits_table(measured),
            _ => return Err(format!("there is no table {name}").into()),
        };
        whole.extend([before, TABLE, name, " -->\n", &table, END]);
        rest = after;
    }
    whole.push_str(rest);
    Ok(whole)
}

/// What the document quotes otherwise than it was measured; and how many numbers it quotes.
#[must_use]
pub fn misquoted(text: &str, measured: &Measured) -> (usize, Vec<String>) {
    let (mut quotes, mut wrong) = (0, Vec::new());
    let mut before = "";
    for part in text.split("<!-- ") {
        let quoted = part.split_once(" -->").map_or("", |(name, _)| name);
        let names: Vec<&str> = quoted.split(": ").collect();
        let value = match names.as_slice() {
            ["fact", name @ ..] if !name.is_empty() => Some(measured.facts.get(&name.join(": ")).copied()),
            ["default", name] => Some(measured.defaults.get(*name).copied()),
            [name, line @ .., x] if curve::of(name).is_some() && !line.is_empty() => {
                Some(x.parse().ok().and_then(|x| measured.point(name, &line.join(": "), x)))
            }
            _ => None,
        };
        if let Some(value) = value {
            quotes += 1;
            let written = last_number(before);
            if !written.zip(value).is_some_and(|(written, value)| is_as_precise(written, value)) {
                wrong.push(format!("{quoted}: it is {value:?}, and {written:?} is written"));
            }
        }
        before = part;
    }
    (quotes, wrong)
}

/// The number that stands last in a text, thousands in groups or not.
fn last_number(text: &str) -> Option<&str> {
    let end = text.rfind(|c: char| c.is_ascii_digit())? + 1;
    let text = text.get(..end)?;
    let from = text
        .rfind(|c: char| !(c.is_ascii_digit() || c == ',' || c == '.'))
        .map_or(0, |place| place + text.get(place..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8));
    text.get(from..)
}

/// Whether a value is what is written, rounded to the digits that are written.
fn is_as_precise(written: &str, value: f64) -> bool {
    let bare = written.replace(',', "");
    let Ok(number) = bare.parse::<f64>() else { return false };
    let decimals = bare.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    // Zeros at the end of a whole number may be digits or none: then two of the others must be right.
    let zeros = if decimals > 0 { 0 } else { bare.len() - bare.trim_end_matches('0').len() };
    let zeros = zeros.min(bare.len().saturating_sub(2));
    let unit = 10_f64.powi(i32::try_from(zeros).unwrap_or(0) - i32::try_from(decimals).unwrap_or(0));
    (number - value).abs() <= unit * 0.500_001
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curve::Line;

    fn sample() -> Measured {
        let line = Line { name: "30 a minute: p99".to_owned(), points: vec![(24.0, 12.34)] };
        let facts = [("units: budget".to_owned(), 2_041.0)].into();
        let defaults = [("PullsConcurrency".to_owned(), 2.0)].into();
        Measured { defaults, facts, curves: [("lanes", vec![line])].into() }
    }

    #[test]
    fn a_number_is_held_against_what_it_names_as_precisely_as_it_is_written() {
        let quote = |text: &str| misquoted(text, &sample());
        for right in [
            "12.3 s <!-- lanes: 30 a minute: p99: 24 -->",
            "about 12<!-- lanes: 30 a minute: p99: 24 -->",
            "**2,041** <!-- fact: units: budget -->",
            "2,000 <!-- fact: units: budget -->",
            "the 2 <!-- default: PullsConcurrency --> of",
        ] {
            assert_eq!(quote(right), (1, Vec::new()), "{right}");
        }
        for wrong in [
            "12.4 <!-- lanes: 30 a minute: p99: 24 -->",
            "13 <!-- lanes: 30 a minute: p99: 24 -->",
            "12.3 <!-- lanes: 30 a minute: p99: 25 -->",
            "12.3 <!-- lanes: no such line: 24 -->",
            "2,100 <!-- fact: units: budget -->",
            "no number <!-- fact: units: budget -->",
            "the 3 <!-- default: PullsConcurrency --> of",
            "the 2 <!-- default: NoSuchParameter --> of",
        ] {
            assert_eq!(quote(wrong).1.len(), 1, "{wrong}");
        }
        assert_eq!(quote("a remark <!-- table: users -->"), (0, Vec::new()));
    }

    #[test]
    fn a_table_is_made_anew_and_nothing_else_changes() {
        let text = "a\n<!-- table: limits -->\nold\n<!-- end -->\nb";
        let new = with_tables(text, &sample()).unwrap();
        assert!(new.starts_with("a\n<!-- table: limits -->\n| limit") && new.ends_with("|\n<!-- end -->\nb"), "{new}");
        assert!(!new.contains("old"));
        assert_eq!(with_tables(&new, &sample()).unwrap(), new);
        assert!(with_tables("<!-- table: another -->\n<!-- end -->", &sample()).is_err());
    }
}

//! `docs/metrics.md` says of every metric what the catalogue says: `UPDATE=1` writes it anew.
#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use afferent_metrics::{By, Metric};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");

const MARK: &str = "<!-- From here on made by `UPDATE=1 cargo test -p afferent-metrics`. -->\n";

/// The tables: one for each writer; a family of metrics (`Calls.<service>`) is one row.
fn tables() -> String {
    let mut text = String::new();
    for by in By::ALL {
        write!(text, "\n## {}\n\n| metric | unit | statistic | means |\n|---|---|---|---|\n", by.heading()).unwrap();
        let mut families = BTreeMap::<String, Vec<String>>::new();
        for metric in Metric::all().into_iter().filter(|metric| metric.by() == by) {
            let (name, unit) = (metric.name(), metric.unit().name());
            let statistic = if metric.is_counted() { "Sum" } else { "Maximum, Average, p95" };
            let Some((family, member)) = name.split_once('.') else {
                writeln!(text, "| `{name}` | {unit} | {statistic} | {} |", metric.meaning()).unwrap();
                continue;
            };
            let members = families.entry(family.to_owned()).or_default();
            if members.is_empty() {
                let what = match family {
                    "BatchesFailed" => "function",
                    budget if budget.starts_with("Budget") => "lane",
                    _ => "service",
                };
                writeln!(text, "| `{family}.<{what}>` | {unit} | {statistic} | {} |", metric.meaning()).unwrap();
            }
            members.push(format!("`{member}`"));
        }
        for (family, members) in families {
            write!(text, "\n`{family}.`: {}.\n", members.join(", ")).unwrap();
        }
    }
    text
}

#[test]
fn the_document_has_the_catalogue() {
    let text = std::fs::read_to_string(PATH).unwrap();
    let (head, _) = text.split_once(MARK).unwrap();
    let right = format!("{head}{MARK}{}", tables());
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(PATH, &right).unwrap();
    } else {
        assert!(text == right, "docs/metrics.md is not what the catalogue says: UPDATE=1 writes it");
    }
}

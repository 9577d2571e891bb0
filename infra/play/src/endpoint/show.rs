//! Answers for people: a list becomes a table, anything else a line for each member.

use afferent_domain::Timestamp;
use serde_json::{Map, Value};

/// The lists that answers hold, and what of each entry is shown.
const TABLES: [(&str, &[&str]); 5] = [
    ("endpoints", &["endpoint", "destination", "types", "standing", "description"]),
    ("deliveries", &["event", "state", "created_ms"]),
    ("jobs", &["job", "kind", "preview", "state", "progress", "created_ms"]),
    ("attempts", &["number", "at_ms", "cycle", "try", "duration_ms", "status", "error", "fault", "message", "excerpt"]),
    ("secrets", &["number", "signs", "created_ms", "until_ms"]),
];

pub(super) fn lines(answer: &Value) -> String {
    let Value::Object(members) = answer else { return word(answer) };
    let mut lines = Vec::new();
    write(members, "", &mut lines);
    lines.join("\n")
}

fn write(members: &Map<String, Value>, indent: &str, lines: &mut Vec<String>) {
    for (name, value) in members {
        let label = name.strip_suffix("_ms").unwrap_or(name);
        match value {
            Value::Array(rows) if rows.iter().any(Value::is_object) || is_table(name) => {
                lines.push(format!("{indent}{label}: {}", rows.len()));
                lines.extend(table(name, rows).into_iter().map(|line| format!("{indent}  {line}")));
            }
            Value::Object(inner) if !is_word(name) => {
                lines.push(format!("{indent}{label}:"));
                write(inner, &format!("{indent}  "), lines);
            }
            value => lines.push(format!("{indent}{label}: {}", member(name, value))),
        }
    }
}

fn is_table(name: &str) -> bool {
    TABLES.iter().any(|(known, _)| *known == name)
}

/// Members that are objects and shown in one line.
fn is_word(name: &str) -> bool {
    ["destination", "standing", "progress", "rate"].contains(&name)
}

fn table(name: &str, rows: &[Value]) -> Vec<String> {
    let known = TABLES.iter().find(|(known, _)| *known == name).map(|(_, columns)| *columns);
    let all: Vec<&str> =
        rows.first().and_then(Value::as_object).into_iter().flatten().map(|(name, _)| &**name).collect();
    let there = |column: &&&str| rows.iter().any(|row| !row[**column].is_null());
    let columns: Vec<&str> = known.unwrap_or(&all).iter().filter(there).copied().collect();
    let head = columns.iter().map(|column| column.strip_suffix("_ms").unwrap_or(column).to_owned()).collect();
    let row = |row: &Value| columns.iter().map(|column| member(column, &row[*column])).collect();
    let cells: Vec<Vec<String>> = std::iter::once(head).chain(rows.iter().map(row)).collect();
    let width = |place: usize| cells.iter().map(|row| row[place].chars().count()).max().unwrap_or(0);
    let line = |row: &Vec<String>| {
        let padded = row.iter().enumerate().map(|(place, cell)| format!("{cell:<width$}", width = width(place)));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    cells.iter().map(line).collect()
}

fn member(name: &str, value: &Value) -> String {
    match (name, value) {
        (_, Value::Number(millis)) if name.ends_with("_ms") => match millis.as_i64() {
            // Phases of an attempt are milliseconds too, and none of them reaches back to 1971.
            Some(at) if at > 31_536_000_000 => Timestamp::from_millis(at).to_string(),
            _ => format!("{millis} ms"),
        },
        ("destination", Value::Object(kind)) => {
            let url = kind.values().next().and_then(Value::as_object).and_then(|inner| inner.values().next());
            url.map_or_else(String::new, word)
        }
        ("standing", Value::Object(standing)) => ["state", "cause", "note"]
            .iter()
            .filter_map(|part| standing.get(*part).map(word))
            .collect::<Vec<_>>()
            .join(", "),
        ("progress", Value::Object(progress)) => {
            let number = |name: &str| progress.get(name).map_or_else(|| "0".to_owned(), word);
            format!("{} of {}", number("matched"), number("looked_at"))
        }
        ("rate", Value::Object(rate)) => format!("{} in {} s", word(&rate["requests"]), word(&rate["per_s"])),
        (_, value) => word(value),
    }
}

fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Array(list) => list.iter().map(word).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_is_a_table_and_times_are_read_by_people() {
        let answer = json!({"deliveries": [
            {"event": "evt_1", "state": "delivered", "created_ms": 1_795_244_591_412_i64},
            {"event": "evt_22", "state": "held", "created_ms": 1_795_244_591_413_i64},
        ], "next": "x"});
        assert_eq!(
            lines(&answer),
            "deliveries: 2\n  event   state      created\n  evt_1   delivered  2026-11-21T07:03:11.412Z\n  \
             evt_22  held       2026-11-21T07:03:11.413Z\nnext: x"
        );
    }

    #[test]
    fn of_an_attempt_only_what_there_is_has_a_column() {
        let answer = json!({"attempts": [{"number": 1, "duration_ms": 12, "status": 503, "cycle": 1, "try": 1}]});
        assert_eq!(
            lines(&answer),
            "attempts: 1\n  number  cycle  try  duration  status\n  1       1      1    12 ms     503"
        );
    }

    #[test]
    fn where_an_endpoint_is_and_how_it_stands_are_one_word_each() {
        let answer = json!({"endpoint": {
            "destination": {"http": {"url": "https://example.org/"}},
            "standing": {"state": "disabled", "cause": "gone", "since_ms": 5},
            "progress": {"looked_at": 9, "matched": 3},
        }});
        let text = lines(&answer);
        assert!(
            text.contains("destination: https://example.org/") && text.contains("standing: disabled, gone"),
            "{text}"
        );
        assert!(text.contains("progress: 3 of 9"), "{text}");
    }
}

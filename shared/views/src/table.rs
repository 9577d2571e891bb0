//! Tables for spreadsheets: CSV (RFC 4180) in UTF-8, with a header, lines that end in CR LF, and columns that stay.
//!
//! A text that a spreadsheet would take for a formula (it begins with a tab or a line break, or, blanks left out, with `=`,
//! `+`, `-` or `@`, the full-width ones too) has an apostrophe put before it. Numbers stand as they are.

use afferent_domain::record::{Component, Effective, LOINC, Record, Status, SyncKind};

use crate::samples::attribution_name;
use crate::series::Point;
use crate::zone;

/// A cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    /// Something that we wrote: a number, an instant, an id.
    Plain(String),
    /// Something that a person or a device named.
    Text(String),
    /// Nothing.
    Empty,
}

impl Cell {
    fn plain(text: impl ToString) -> Self {
        Self::Plain(text.to_string())
    }

    fn maybe(text: Option<impl ToString>) -> Self {
        text.map_or(Self::Empty, Self::plain)
    }

    fn text(text: Option<&str>) -> Self {
        text.map_or(Self::Empty, |text| Self::Text(text.to_owned()))
    }

    const fn as_str(&self) -> &str {
        match self {
            Self::Plain(text) | Self::Text(text) => text.as_str(),
            Self::Empty => "",
        }
    }

    fn write(self) -> String {
        match self {
            Self::Plain(text) => text,
            Self::Text(text) if is_formula(&text) => format!("'{text}"),
            Self::Text(text) => text,
            Self::Empty => String::new(),
        }
    }
}

fn is_formula(text: &str) -> bool {
    let signs = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];
    text.starts_with(['\t', '\r', '\n']) || text.trim_start().starts_with(signs)
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Plain(text)
    }
}

/// Writes a table. An error of the writer cannot be: it writes into memory, and every row has its columns.
pub(crate) fn write(header: &[&str], rows: impl Iterator<Item = Vec<Cell>>) -> String {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    let mut written = writer.write_record(header);
    for row in rows {
        written = written.and_then(|()| writer.write_record(row.into_iter().map(Cell::write)));
    }
    debug_assert!(written.is_ok());
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}

/// The columns of a table of records.
pub const RECORD_COLUMNS: [&str; 23] = [
    "record",
    "rev",
    "status",
    "kind",
    "part",
    "start",
    "end",
    "tz",
    "local_date",
    "value",
    "unit",
    "value_code",
    "body_site",
    "method",
    "loinc",
    "service",
    "device_id",
    "model",
    "attribution",
    "comment",
    "synckind",
    "connection",
    "changed",
];

/// Records as a table: a row per value. A compound has a row for each of its parts, an hour of samples one for each of
/// them, a night's stages one each (`part` is `stage`), and a record without any value one row. The samples of a recording
/// are not in it.
///
/// Of records whose rows take more than `most` by the `size` of a text only the first are written, but one at least; how many is told too.
#[must_use]
pub fn of_records(records: &[Record], most: usize, size: impl Fn(&str) -> usize) -> (String, usize) {
    let (mut lines, mut bytes, mut taken) = (Vec::new(), 0, 0);
    for record in records {
        let rows = rows(record);
        // A cell that has to stand in quotation marks has two more, and its own doubled.
        let quoted = |text: &str| size(text) + size("\"") * (2 + text.matches('"').count());
        let cell = |cell: &Cell| match cell.as_str() {
            text if text.contains(['"', ',', '\r', '\n']) => quoted(text) + 2,
            text => size(text) + 2,
        };
        bytes += rows.iter().flatten().map(cell).sum::<usize>() + size("\r\n");
        if bytes > most && taken > 0 {
            break;
        }
        lines.extend(rows);
        taken += 1;
    }
    (write(&RECORD_COLUMNS, lines.into_iter()), taken)
}

/// What of a row differs between the values of a record.
#[derive(Default)]
struct Value<'a> {
    part: Option<&'a str>,
    start: Option<String>,
    end: Option<String>,
    value: Option<String>,
    unit: Option<&'a str>,
    code: Option<&'a str>,
    site: Option<&'a str>,
    method: Option<&'a str>,
    loinc: Option<&'a str>,
}

fn rows(record: &Record) -> Vec<Vec<Cell>> {
    let values = values(record);
    values.into_iter().map(|value| row(record, value)).collect()
}

fn values(record: &Record) -> Vec<Value<'_>> {
    let (start, end) = match &record.effective {
        Effective::At { at } => (at.clone(), None),
        Effective::Period { start, end } => (start.clone(), Some(end.clone())),
    };
    let (site, method) = (record.body_site.as_deref(), record.method.as_deref());
    let whole = || Value { start: Some(start.clone()), end: end.clone(), site, method, ..Value::default() };
    let zone = zone::zone(record.tz.as_deref());
    let text = |ms: i64| zone::text(&zone, ms);
    let mut values: Vec<Value<'_>> = record
        .components
        .iter()
        .map(|part: &Component| Value {
            part: Some(&part.kind),
            value: part.value.map(|value| value.to_string()),
            unit: part.unit.as_deref(),
            code: part.value_code.as_deref(),
            site: part.body_site.as_deref().or(site),
            method: part.method.as_deref().or(method),
            loinc: loinc(&part.codes),
            ..whole()
        })
        .collect();
    if let Some(series) = &record.series {
        values.extend(series.offsets_s.iter().zip(&series.values).enumerate().map(|(index, (offset, value))| {
            let at = series.origin_ms.saturating_add(offset.saturating_mul(1000));
            let duration = series.durations_s.get(index).filter(|duration| **duration > 0);
            Value {
                start: text(at),
                end: duration.and_then(|duration| text(at.saturating_add(duration.saturating_mul(1000)))),
                value: Some(value.to_string()),
                unit: Some(&series.unit),
                loinc: loinc(&record.codes),
                ..whole()
            }
        }));
    }
    values.extend(record.stages.iter().map(|stage| Value {
        part: Some("stage"),
        start: text(stage.start_ms),
        end: text(stage.end_ms),
        code: Some(&stage.stage),
        ..whole()
    }));
    if values.is_empty() || record.value.is_some() || record.value_code.is_some() {
        let own = Value {
            value: record.value.map(|value| value.to_string()),
            unit: record.unit.as_deref(),
            code: record.value_code.as_deref(),
            loinc: loinc(&record.codes),
            ..whole()
        };
        values.insert(0, own);
    }
    values
}

fn loinc(codes: &[afferent_domain::record::Code]) -> Option<&str> {
    codes.iter().find(|code| code.system == LOINC).map(|code| &*code.code)
}

fn row(record: &Record, value: Value<'_>) -> Vec<Cell> {
    let status = match record.status {
        Status::Preliminary => "preliminary",
        Status::Final => "final",
        Status::Amended => "amended",
        Status::EnteredInError => "entered-in-error",
    };
    let synckind = match record.synckind {
        SyncKind::Live => "live",
        SyncKind::Backfill => "backfill",
    };
    let attribution = record.source.attribution.map(attribution_name);
    vec![
        Cell::plain(&record.record),
        Cell::plain(record.rev),
        Cell::plain(status),
        Cell::text(Some(&record.kind)),
        Cell::text(value.part),
        Cell::maybe(value.start),
        Cell::maybe(value.end),
        Cell::text(record.tz.as_deref()),
        Cell::text(record.local_date.as_deref()),
        Cell::maybe(value.value),
        Cell::text(value.unit),
        Cell::text(value.code),
        Cell::text(value.site),
        Cell::text(value.method),
        Cell::maybe(value.loinc),
        Cell::text(Some(&record.source.service)),
        Cell::text(record.source.device_id.as_deref()),
        Cell::text(record.source.model.as_deref()),
        Cell::maybe(attribution),
        Cell::text(record.source.comment.as_deref()),
        Cell::plain(synckind),
        Cell::plain(&record.connection),
        Cell::plain(afferent_domain::Timestamp::from_millis(record.changed_ms)),
    ]
}

/// The columns of a table of a series, as it is and in buckets.
pub const RAW_COLUMNS: [&str; 6] = ["at", "end", "value", "device_id", "record", "attribution"];
/// See [`RAW_COLUMNS`].
pub const BUCKET_COLUMNS: [&str; 9] = ["start", "end", "count", "min", "max", "mean", "sum", "device_id", "model"];

/// The points of a series as a table; `raw` says which columns it has.
#[must_use]
pub fn of_points(points: &[Point], raw: bool) -> String {
    let row = |point: &Point| match point {
        Point::Raw(raw) => vec![
            Cell::plain(&raw.at),
            Cell::maybe(raw.end.as_deref()),
            Cell::plain(raw.value),
            Cell::text(raw.device_id.as_deref()),
            Cell::plain(&raw.record),
            Cell::maybe(raw.attribution.map(attribution_name)),
        ],
        Point::Bucket(bucket) => vec![
            Cell::plain(&bucket.start),
            Cell::plain(&bucket.end),
            Cell::plain(bucket.count),
            Cell::plain(bucket.min),
            Cell::plain(bucket.max),
            Cell::maybe(bucket.mean),
            Cell::maybe(bucket.sum),
            Cell::text(bucket.device_id.as_deref()),
            Cell::text(bucket.model.as_deref()),
        ],
    };
    let columns: &[&str] = if raw { &RAW_COLUMNS } else { &BUCKET_COLUMNS };
    write(columns, points.iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{compound, hour, measured, record};

    /// The cells of a table without quotes in it.
    fn cells(csv: &str) -> Vec<Vec<&str>> {
        csv.trim_end().split("\r\n").map(|line| line.split(',').collect()).collect()
    }

    fn of(records: &[Record]) -> String {
        of_records(records, usize::MAX, str::len).0
    }

    fn column(name: &str) -> usize {
        RECORD_COLUMNS.iter().position(|column| *column == name).unwrap()
    }

    #[test]
    fn a_measurement_is_one_row_and_a_compound_one_per_part() {
        let parts = [("systolic", "", "121", "mm[Hg]"), ("diastolic", "", "79", "mm[Hg]")];
        let csv = of(&[
            measured("rec_1", "body_weight", "2026-06-20T07:00:00Z", "81.25", "kg"),
            compound("rec_2", "blood_pressure", ("2026-06-20T08:00:00Z", "2026-06-20T08:01:00Z"), &parts),
            record("rec_3", "device", "2026-06-20T08:00:00Z", |_| {}),
        ]);
        let cells = cells(&csv);
        assert_eq!(cells[0], RECORD_COLUMNS);
        let told = |row: usize| ["record", "part", "value", "unit", "start"].map(|name| cells[row][column(name)]);
        assert_eq!(told(1), ["rec_1", "", "81.25", "kg", "2026-06-20T08:00:00+01:00"]);
        assert_eq!(told(2)[..4], ["rec_2", "systolic", "121", "mm[Hg]"]);
        assert_eq!(told(3)[..4], ["rec_2", "diastolic", "79", "mm[Hg]"]);
        assert_eq!(told(4)[..4], ["rec_3", "", "", ""]);
        assert_eq!(cells.len(), 5);
    }

    #[test]
    fn an_hour_of_samples_is_a_row_for_each_with_its_own_time() {
        let csv = of(&[hour("rec_1", "heart_rate", "/min", "2026-11-20T02:00:00Z", "watch", &[(60, "-52.5", 30)])]);
        let cells = cells(&csv);
        let told = ["start", "end", "value", "unit"].map(|name| cells[1][column(name)]);
        assert_eq!(told, ["2026-11-20T02:01:00+00:00", "2026-11-20T02:01:30+00:00", "-52.5", "/min"]);
    }

    #[test]
    fn a_text_that_a_spreadsheet_would_run_is_only_a_text() {
        for (comment, cell) in [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            (" =1", "' =1"),
            ("＝1+1", "'＝1+1"),
            ("after a run", "after a run"),
            ("a, \"b\"", "\"a, \"\"b\"\"\""),
        ] {
            let csv = of(&[record("rec_1", "body_weight", "2026-11-20T02:00:00Z", |fact| {
                fact.source.comment = Some(comment.to_owned());
            })]);
            assert!(csv.contains(&format!(",{cell},live,")), "{comment}: {csv}");
        }
    }

    #[test]
    fn a_name_that_a_device_was_given_is_no_formula_either() {
        let mut weight = measured("rec_1", "body_weight", "2026-11-20T02:00:00Z", "80", "kg");
        weight.source.device_id = Some("=1+1".to_owned());
        assert!(of(&[weight]).contains(",'=1+1,"));
        let raw = crate::series::Raw {
            at: String::new(),
            end: None,
            value: "80".parse().unwrap(),
            record: "rec_1".to_owned(),
            device_id: Some("@a".to_owned()),
            attribution: None,
        };
        assert!(of_points(&[Point::Raw(raw)], true).contains(",'@a,"));
    }

    #[test]
    fn a_table_ends_with_a_whole_record_before_it_grows_too_large() {
        let name = |n: i64| format!("rec_{n}");
        let hours: Vec<Record> = (0..9)
            .map(|n| {
                hour(&name(n), "heart_rate", "/min", "2026-11-20T02:00:00Z", "watch", &[(0, "52", 1), (1, "53", 1)])
            })
            .collect();
        let (_, all) = of_records(&hours, usize::MAX, str::len);
        let (csv, some) = of_records(&hours, 1_000, str::len);
        assert_eq!((all, csv.lines().count()), (9, 1 + 2 * some));
        assert!((1..9).contains(&some) && csv.len() <= 1_000 + RECORD_COLUMNS.join(",").len() + 2);
        assert_eq!(of_records(&hours, 1, str::len).1, 1);
        assert_eq!(of_records(&[], 1, str::len).1, 0);
    }
}

//! What curves there are, and their numbers as CSV: one point a line, under a head that names the axes.

use std::fmt::Write as _;

/// An axis.
#[derive(Clone, Copy, Debug)]
pub struct Axis {
    /// What it shows, with its unit; no comma.
    pub label: &'static str,
    /// Whether equal steps are equal factors.
    pub log: bool,
}

/// A curve: what it is called and what it shows.
#[derive(Clone, Copy, Debug)]
pub struct Curve {
    /// Its name: of its files, and in the document.
    pub name: &'static str,
    /// Its title.
    pub title: &'static str,
    /// Across.
    pub x: Axis,
    /// Up.
    pub y: Axis,
}

/// One line of a curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// What it is of; no comma.
    pub name: String,
    /// Its points, in the order of `x`.
    pub points: Vec<(f64, f64)>,
}

impl Line {
    /// A line without points.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), points: Vec::new() }
    }

    /// Adds a point, to four digits: the rest is chance.
    pub fn add(&mut self, x: f64, y: f64) {
        self.points.push((digits(x), digits(y)));
    }

    /// What it is at `x`, if it has that point.
    #[must_use]
    pub fn at(&self, x: f64) -> Option<f64> {
        self.points.iter().find(|point| (point.0 - x).abs() <= x.abs() * 1e-6).map(|point| point.1)
    }
}

const fn linear(label: &'static str) -> Axis {
    Axis { label, log: false }
}

const fn log(label: &'static str) -> Axis {
    Axis { label, log: true }
}

/// Every curve.
pub const ALL: [Curve; 8] = [
    Curve {
        name: "age",
        title: "The age of live pulls near the allowance",
        x: linear("notifications of 100 calls that are allowed"),
        y: log("age in seconds"),
    },
    Curve {
        name: "pulls",
        title: "Pulls a minute, by PullsConcurrency",
        x: log("fetchers at work at once"),
        y: log("pulls a minute"),
    },
    Curve {
        name: "lanes",
        title: "Live notifications while people are being read for the first time",
        x: linear("people connecting at once (18 years of history each)"),
        y: linear("age in seconds"),
    },
    Curve {
        name: "waiting",
        title: "Where failing deliveries wait (InFlightLimit 120000)",
        x: log("failing deliveries a second for 6 hours"),
        y: log("most at once"),
    },
    Curve {
        name: "dispatch",
        title: "Deliveries a second, by DispatcherConcurrency",
        x: log("dispatchers at work at once"),
        y: log("deliveries a second"),
    },
    Curve {
        name: "fanout",
        title: "Events a second of one shard, by batch size",
        x: log("changes in a batch (each of another user)"),
        y: log("events a second"),
    },
    Curve {
        name: "sweeps",
        title: "How late sweeps begin, by what they ask of the allowance",
        x: linear("calls that sweeps want of 100 that are allowed"),
        y: linear("lag in rounds of the sweep"),
    },
    Curve {
        name: "keys",
        title: "Write units a second on the hottest partition key, at the peak",
        x: log("users"),
        y: log("write units a second"),
    },
];

/// The curve of this name.
#[must_use]
pub fn of(name: &str) -> Option<&'static Curve> {
    ALL.iter().find(|curve| curve.name == name)
}

/// To four digits.
#[must_use]
pub fn digits(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let scale = 10_f64.powf(3.0 - value.abs().log10().floor());
    (value * scale).round() / scale
}

/// The numbers as text.
#[must_use]
pub fn csv(curve: &Curve, lines: &[Line]) -> String {
    let mut text = format!("line,{},{}\n", curve.x.label, curve.y.label);
    for line in lines {
        for (x, y) in &line.points {
            let _ = writeln!(text, "{},{x},{y}", line.name);
        }
    }
    text
}

/// Reads what [`csv`] wrote. What is no point is left out.
#[must_use]
pub fn read(text: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for row in text.lines().skip(1) {
        let mut fields = row.split(',');
        let (Some(name), Some(x), Some(y)) = (fields.next(), fields.next(), fields.next()) else { continue };
        let (Ok(x), Ok(y)) = (x.parse(), y.parse()) else { continue };
        match lines.iter_mut().find(|line| line.name == name) {
            Some(line) => line.points.push((x, y)),
            None => lines.push(Line { name: name.to_owned(), points: vec![(x, y)] }),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_back_as_they_were_written_to_four_digits() {
        let mut one = Line::new("one");
        one.add(1_234_567.0, 0.000_123_456);
        one.add(0.0, 99.999_9);
        let lines = vec![one, Line { name: "two".to_owned(), points: vec![(1.0, 2.0)] }];
        assert_eq!(lines[0].points, [(1_235_000.0, 0.000_123_5), (0.0, 100.0)]);
        assert_eq!(read(&csv(&ALL[0], &lines)), lines);
        assert_eq!(lines[0].at(1_235_000.0), Some(0.000_123_5));
        assert_eq!(lines[0].at(7.0), None);
    }

    #[test]
    fn no_label_breaks_the_table() {
        assert!(ALL.iter().all(|curve| !curve.x.label.contains(',') && !curve.y.label.contains(',')));
    }
}

//! A curve as SVG: two axes with a grid, a line of its own colour for each, its name beside it.

use std::fmt::Write as _;

use crate::curve::{Axis, Curve, Line};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
/// What is left, above, right and below of the drawing.
const LEFT: f64 = 70.0;
const TOP: f64 = 40.0;
const RIGHT: f64 = 230.0;
const BOTTOM: f64 = 50.0;

/// Told apart also without red and green (Okabe and Ito), on white.
const COLOURS: [&str; 8] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555", "#000000"];

/// What of an axis is shown, and how far.
struct Scale {
    log: bool,
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    fn of(axis: Axis, values: impl Iterator<Item = f64> + Clone, from: f64, to: f64) -> Self {
        let most = values.clone().fold(f64::MIN_POSITIVE, f64::max);
        if axis.log {
            let least = values.filter(|value| *value > 0.0).fold(most, f64::min);
            let low = 10_f64.powf(least.log10().floor());
            return Self { log: true, low, high: 10_f64.powf(most.log10().ceil()).max(low * 10.0), from, to };
        }
        let step = step(most);
        Self { log: false, low: 0.0, high: (most / step).ceil() * step, from, to }
    }

    fn place(&self, value: f64) -> f64 {
        let share = if self.log {
            (value.max(self.low) / self.low).log10() / (self.high / self.low).log10()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        self.from + share * (self.to - self.from)
    }

    fn ticks(&self) -> Vec<f64> {
        let (from, by) = if self.log { (self.low, None) } else { (self.low, Some(step(self.high))) };
        let next = |value: f64| by.map_or(value * 10.0, |by| value + by);
        let all = std::iter::successors(Some(from), |value| Some(next(*value)));
        all.take_while(|value| *value <= self.high * 1.000_1).collect()
    }
}

/// A round step of which four to ten reach `most`.
fn step(most: f64) -> f64 {
    let power = 10_f64.powf(most.log10().floor());
    [0.2, 0.5, 1.0, 2.0].map(|of| of * power).into_iter().find(|step| most / step <= 6.0).unwrap_or(power * 2.0)
}

/// A number as people write it on an axis.
fn words(value: f64) -> String {
    let of = |value: f64, unit: &str| format!("{}{unit}", (value * 1e6).round() / 1e6);
    match value {
        value if value >= 1e6 => of(value / 1e6, " M"),
        value if value >= 1e4 => of(value / 1e3, " k"),
        value => of(value, ""),
    }
}

/// The picture.
#[must_use]
pub fn svg(curve: &Curve, lines: &[Line]) -> String {
    let points = lines.iter().flat_map(|line| line.points.iter());
    let x = Scale::of(curve.x, points.clone().map(|point| point.0), LEFT, WIDTH - RIGHT);
    let y = Scale::of(curve.y, points.map(|point| point.1), HEIGHT - BOTTOM, TOP);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n\
         <text x=\"{LEFT}\" y=\"24\" font-size=\"15\">{title}</text>\n",
        title = curve.title
    );
    for tick in x.ticks() {
        let at = x.place(tick);
        let _ = writeln!(
            svg,
            "<path d=\"M{at:.1} {TOP}V{}\" stroke=\"#ddd\"/><text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            HEIGHT - BOTTOM,
            HEIGHT - BOTTOM + 18.0,
            words(tick)
        );
    }
    for tick in y.ticks() {
        let at = y.place(tick);
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {at:.1}H{}\" stroke=\"#ddd\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            at + 4.0,
            words(tick)
        );
    }
    let (middle, low) = ((LEFT + WIDTH - RIGHT) / 2.0, (TOP + HEIGHT - BOTTOM) / 2.0);
    let _ = writeln!(
        svg,
        "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n\
         <text x=\"16\" y=\"{low}\" text-anchor=\"middle\" transform=\"rotate(-90 16 {low})\">{}</text>",
        HEIGHT - 10.0,
        curve.x.label,
        curve.y.label
    );
    for (number, line) in lines.iter().enumerate() {
        draw(&mut svg, line, number, &x, &y);
    }
    svg.push_str("</svg>\n");
    svg
}

fn draw(svg: &mut String, line: &Line, number: usize, x: &Scale, y: &Scale) {
    let colour = COLOURS[number % COLOURS.len()];
    let path = line.points.iter().enumerate().fold(String::new(), |mut path, (place, (at, value))| {
        let pen = if place == 0 { 'M' } else { 'L' };
        let _ = write!(path, "{pen}{:.1} {:.1}", x.place(*at), y.place(*value));
        path
    });
    let dashes = if line.name.starts_with("limit") { " stroke-dasharray=\"6 4\"" } else { "" };
    let _ = writeln!(svg, "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{dashes}/>");
    if dashes.is_empty() {
        for (at, value) in &line.points {
            let _ = writeln!(
                svg,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{colour}\"/>",
                x.place(*at),
                y.place(*value)
            );
        }
    }
    let (beside, down) = (WIDTH - RIGHT + 14.0, TOP + 12.0 + 20.0 * number as f64);
    let _ = writeln!(
        svg,
        "<path d=\"M{beside} {}h18\" stroke=\"{colour}\" stroke-width=\"2\"{dashes}/><text x=\"{}\" y=\"{down}\">{}</text>",
        down - 4.0,
        beside + 24.0,
        line.name
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curve;

    #[test]
    fn a_point_is_where_its_axes_say() {
        let axis = |log| Axis { label: "", log };
        let linear = Scale::of(axis(false), [3.0, 47.0].into_iter(), 0.0, 100.0);
        assert_eq!((linear.low, linear.high, linear.place(25.0)), (0.0, 50.0, 50.0));
        assert_eq!(linear.ticks(), [0.0, 10.0, 20.0, 30.0, 40.0, 50.0]);
        let log = Scale::of(axis(true), [2.0, 900.0].into_iter(), 300.0, 0.0);
        assert_eq!(log.ticks(), [1.0, 10.0, 100.0, 1_000.0]);
        assert!((log.place(10.0) - 200.0).abs() < 1e-9);
    }

    #[test]
    fn every_line_is_drawn_and_named_and_a_limit_is_dashed() {
        let lines = ["one", "limit"].map(|name| Line { name: name.to_owned(), points: vec![(1.0, 2.0), (2.0, 3.0)] });
        let svg = svg(&curve::ALL[0], &lines);
        assert_eq!(svg.matches("<circle").count(), 2);
        assert_eq!(svg.matches("stroke-dasharray").count(), 2);
        assert!(svg.contains(">one</text>") && svg.contains(">limit</text>"));
    }
}

//! A plot: one metric over the last three hours, drawn as SVG.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::book::Minute;

/// How many minutes a plot shows at most.
pub(super) const MOST: i64 = 180;

/// How many it shows at least: a stack that has just begun would else have a line of no width.
const LEAST: i64 = 30;

/// The minutes that are shown: those that end with `last`, not many more than there were since `began`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) first: i64,
    pub(super) last: i64,
}

impl Span {
    /// The span that ends with the minute `last`, of a stack that began in the minute `began`.
    pub(super) fn of(began: i64, last: i64) -> Self {
        Self { first: last + 1 - (last + 1 - began).clamp(LEAST, MOST), last }
    }

    const fn width(self) -> i64 {
        self.last - self.first + 1
    }
}

/// How high it is, in its own units; it is as wide as it has minutes.
const HEIGHT: u64 = 60;

/// The plot of a span. What is counted is a bar for each minute, its sum; of what is observed a
/// line shows the highest value and a paler one the average, with a gap where there was none.
pub(super) fn plot(minutes: &BTreeMap<i64, Minute>, span: Span, counted: bool) -> String {
    let shown = minutes.range(span.first..=span.last);
    let shown: Vec<(i64, Minute)> = shown.map(|(minute, values)| (minute - span.first, *values)).collect();
    let value = |minute: &Minute| if counted { minute.sum } else { minute.most };
    let top = shown.iter().map(|(_, minute)| value(minute)).max().unwrap_or(0).max(1);
    let y = |value: u64| HEIGHT - u64::try_from(u128::from(value) * u128::from(HEIGHT) / u128::from(top)).unwrap_or(0);
    let paths = if counted {
        let bars = shown.iter().filter(|(_, minute)| minute.sum > 0);
        let bars = bars.fold(String::new(), |mut path, (x, minute)| {
            let _ = write!(path, "M{x}.5 {HEIGHT}V{}", y(minute.sum));
            path
        });
        format!(r#"<path class="bar" d="{bars}"/>"#)
    } else {
        let line = |of: fn(&Minute) -> u64| {
            let mut path = String::new();
            let mut before = None;
            for (x, minute) in &shown {
                let pen = if before == Some(x - 1) { 'L' } else { 'M' };
                // A point of its own is a short line, or it would not be seen.
                let _ = write!(path, "{pen}{x} {}h.9", y(of(minute)));
                before = Some(*x);
            }
            path
        };
        let average = line(|minute| minute.sum / minute.count.max(1));
        format!(r#"<path class="pale" d="{average}"/><path class="line" d="{}"/>"#, line(|minute| minute.most))
    };
    let width = span.width();
    format!(
        r#"<svg viewBox="0 0 {width} {HEIGHT}" preserveAspectRatio="none" role="img" aria-label="highest {top}">{paths}</svg>"#
    )
}

/// The same in words: what a reader wants to know first.
pub(super) fn words(minutes: &BTreeMap<i64, Minute>, span: Span, counted: bool) -> String {
    let shown = || minutes.range(span.first..=span.last).map(|(_, minute)| minute);
    if counted {
        let sum: u64 = shown().map(|minute| minute.sum).sum();
        // The minute that is under way is not over: the one before is told too.
        let now: u64 = minutes.range(span.last - 1..=span.last).map(|(_, minute)| minute.sum).sum();
        return format!("{sum} in all, {now} just now");
    }
    let most = shown().map(|minute| minute.most).max().unwrap_or(0);
    let (sum, count) = shown().fold((0_u64, 0_u64), |(sum, count), minute| (sum + minute.sum, count + minute.count));
    let newest = shown().next_back().map_or(0, |minute| minute.most);
    format!("last {newest}, average {}, highest {most}", sum / count.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Span = Span { first: 1_000, last: 1_179 };

    fn minutes(of: &[(i64, u64)]) -> BTreeMap<i64, Minute> {
        of.iter().map(|(at, value)| (*at, Minute { sum: *value, count: 1, least: *value, most: *value })).collect()
    }

    #[test]
    fn a_bar_stands_for_each_minute_that_counted_something_and_the_highest_is_as_high_as_the_plot() {
        let svg = plot(&minutes(&[(1_000, 9), (1_179, 4), (1_178, 2), (1_177, 0)]), SPAN, true);
        assert!(svg.contains(r#"d="M0.5 60V0M178.5 60V47M179.5 60V34""#), "{svg}");
        let svg = plot(&minutes(&[(999, 9)]), SPAN, true);
        assert!(svg.contains(r#"d="""#), "three hours are shown, no more: {svg}");
    }

    #[test]
    fn what_is_shown_grows_with_the_stack_to_three_hours() {
        for (began, first) in [(1_179, 1_150), (1_100, 1_100), (0, 1_000)] {
            assert_eq!(Span::of(began, 1_179).first, first);
        }
    }

    #[test]
    fn a_line_has_a_gap_where_nothing_was_observed() {
        let svg = plot(&minutes(&[(1_100, 10), (1_101, 5), (1_105, 10)]), SPAN, false);
        assert!(svg.contains(r#"d="M100 0h.9L101 30h.9M105 0h.9""#), "{svg}");
        assert_eq!(words(&minutes(&[(1_100, 10), (1_101, 4)]), SPAN, false), "last 4, average 7, highest 10");
    }
}

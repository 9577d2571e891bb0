//! The page: every metric that was written in the last three hours, grouped by who writes it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use afferent_domain::Timestamp;
use afferent_metrics::{By, Metric, NAMESPACE};

use super::alarms::{Standing, judge};
use super::book::{Key, Series};
use super::plot::{Span, plot, words};
use super::{FUNCTIONS, Metrics, QUEUES, Shown};
use crate::template::Alarm;

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1b1f24;--pale:#6a737d;--line:#0b6bcb;--paper:#fff;--card:#f4f6f8}\
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ec;--pale:#98a1ab;--line:#5aa9ff;--paper:#14171a;--card:#1e2328}}\
body{font:15px/1.4 system-ui,sans-serif;color:var(--ink);background:var(--paper);margin:0 auto;padding:1rem;max-width:90rem}\
h1{font-size:1.3rem;margin:.2rem 0}h2{font-size:1.05rem;margin:1.6rem 0 .5rem}p{margin:.3rem 0;color:var(--pale)}\
a{color:var(--line)}\
.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,17rem),1fr));gap:.7rem}\
figure{margin:0;padding:.6rem .7rem;background:var(--card);border-radius:.4rem;min-width:0}\
figcaption{display:flex;flex-direction:column;overflow-wrap:anywhere}small{color:var(--pale)}\
svg{display:block;width:100%;height:4rem;margin-top:.4rem;border-bottom:1px solid var(--pale)}\
path{fill:none;stroke:var(--line);vector-effect:non-scaling-stroke;stroke-width:1.5;stroke-linecap:round}\
p.alarm{color:var(--ink);border-left:.3rem solid #d1242f;padding-left:.6rem}\
path.bar{stroke-width:2;stroke-linecap:butt}path.pale{opacity:.45}";

/// The page as it is now.
pub(super) fn page(shown: &Shown) -> String {
    let Shown { metrics, alarms, clock, began } = shown;
    let now = clock.now();
    let span = Span::of(began.as_secs().div_euclid(60), now.as_secs().div_euclid(60));
    let all = metrics.all();
    let mut text = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Metrics</title>\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <meta http-equiv=\"refresh\" content=\"15\"><style>{STYLE}</style></head><body><h1>Metrics</h1>\
         <p>At most the last three hours, until {now}. Bars are sums by the minute; of lines the strong one is the highest value \
         of each minute, the pale one the average. <a href=\"/metrics.json\">All of the last day as JSON</a>.</p>"
    );
    ring(&mut text, alarms, metrics, *began, now);
    for by in By::ALL {
        let is_its = |name: &str| Metric::of(name).is_some_and(|metric| metric.by() == by);
        let its = all.iter().filter(|(key, _)| key.namespace == NAMESPACE && is_its(&key.name));
        group(&mut text, by.heading(), its, span);
    }
    for (namespace, heading) in [(QUEUES, "AWS/SQS: queues"), (FUNCTIONS, "AWS/Lambda: functions")] {
        group(&mut text, heading, all.iter().filter(|(key, _)| key.namespace == namespace), span);
    }
    text.push_str("</body></html>");
    text
}

/// The alarms: those that ring with what they say, the others by name.
fn ring(text: &mut String, alarms: &[Alarm], metrics: &Metrics, began: Timestamp, now: Timestamp) {
    if alarms.is_empty() {
        return;
    }
    text.push_str("<h2>Alarms</h2>");
    let mut quiet = BTreeMap::<&str, Vec<String>>::new();
    for alarm in alarms {
        let standing = judge(alarm, metrics, began, now);
        if let Standing::Alarm(value) = standing {
            let value = value.map_or("no data".to_owned(), |value| format!("{value:.1}"));
            let (name, says) = (escaped(&alarm.name), escaped(&alarm.description));
            let _ = write!(text, "<p class=\"alarm\"><b>{name}</b> ({value}): {says}</p>");
        } else {
            quiet.entry(standing.name()).or_default().push(escaped(&alarm.name));
        }
    }
    for (state, names) in quiet {
        let _ = write!(text, "<p>{state}: {}.</p>", names.join(", "));
    }
}

/// A heading and the plots under it; nothing where nothing was written. What was never more than zero is only named.
fn group<'a>(text: &mut String, heading: &str, all: impl Iterator<Item = (&'a Key, &'a Series)>, span: Span) {
    let shown: BTreeMap<_, _> =
        all.filter(|(_, series)| series.minutes.range(span.first..=span.last).next().is_some()).collect();
    if shown.is_empty() {
        return;
    }
    let _ = write!(text, "<h2>{}</h2><div class=\"grid\">", escaped(heading));
    let mut silent = Vec::new();
    for (key, series) in shown {
        let name = escaped(format!("{} {}", key.of, key.name).trim());
        if series.minutes.range(span.first..=span.last).all(|(_, minute)| minute.most == 0) {
            silent.push(name);
            continue;
        }
        let counted = is_counted(key);
        let title = Metric::of(&key.name).map_or("", Metric::meaning);
        let _ = write!(
            text,
            "<figure title=\"{}\"><figcaption><b>{name}</b><small>{}: {}</small></figcaption>{}</figure>",
            escaped(title),
            escaped(&series.unit),
            words(&series.minutes, span, counted),
            plot(&series.minutes, span, counted),
        );
    }
    text.push_str("</div>");
    if !silent.is_empty() {
        let _ = write!(text, "<p>Zero all the time: {}.</p>", silent.join(", "));
    }
}

/// Whether the sum is what counts.
fn is_counted(key: &Key) -> bool {
    match key.namespace.as_str() {
        NAMESPACE => Metric::of(&key.name).is_none_or(Metric::is_counted),
        FUNCTIONS => matches!(key.name.as_str(), "Invocations" | "Errors" | "Throttles"),
        _ => false,
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use afferent_domain::Clock as _;

    use super::*;
    use crate::clock::SystemClock;

    #[test]
    fn a_metric_is_shown_under_who_writes_it_and_what_is_zero_is_only_named() {
        let clock = Arc::new(SystemClock);
        let (metrics, now) = (Metrics::default(), clock.now());
        metrics.note(NAMESPACE, "", "Calls.getmeas", "Count", &[3], now);
        metrics.note(NAMESPACE, "", "InFlight", "Count", &[0], now);
        metrics.note(QUEUES, "<pulls>", "ApproximateNumberOfMessagesVisible", "Count", &[7], now);
        let page = page(&Shown { metrics, alarms: Arc::new([]), clock, began: now });
        let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text} is not on the page"));
        assert!(at("<h2>fetcher</h2>") < at("Calls.getmeas"));
        assert!(at("<h2>keeper, each minute</h2>") < at("Zero all the time: InFlight."));
        assert!(at("AWS/SQS: queues") < at("&lt;pulls&gt; ApproximateNumberOfMessagesVisible"));
        assert!(!page.contains("<h2>api</h2>") && !page.contains("<script") && !page.contains("http://"));
    }
}

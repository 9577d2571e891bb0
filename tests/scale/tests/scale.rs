//! The document says what the data say, the pictures show it, and every curve can still be played.

#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

use scale::document::{csv_file, docs, measured, misquoted, svg_file, with_tables};
use scale::{Size, curve, plot, runs};

fn page() -> String {
    std::fs::read_to_string(docs().join("scale.md")).unwrap()
}

#[test]
fn every_number_that_the_document_quotes_is_in_the_data() {
    let (quotes, wrong) = misquoted(&page(), &measured(&docs()).unwrap());
    assert_eq!(wrong, Vec::<String>::new());
    assert!(quotes >= 20, "only {quotes} numbers are held against the data");
}

#[test]
fn the_tables_of_the_document_are_those_that_follow_from_the_data() {
    let page = page();
    assert_eq!(with_tables(&page, &measured(&docs()).unwrap()).unwrap(), page, "make scale writes them");
    for table in ["users", "limits"] {
        assert!(page.contains(&format!("<!-- table: {table} -->")), "{table}");
    }
}

#[test]
fn every_picture_shows_its_numbers_and_is_in_the_document() {
    let (page, measured) = (page(), measured(&docs()).unwrap());
    for curve in &curve::ALL {
        let lines = &measured.curves[curve.name];
        assert!(lines.iter().any(|line| line.points.len() > 2), "{} is no curve", curve.name);
        let picture = std::fs::read_to_string(svg_file(&docs(), curve.name)).unwrap();
        assert_eq!(picture, plot::svg(curve, lines), "{}", curve.name);
        let csv = std::fs::read_to_string(csv_file(&docs(), curve.name)).unwrap();
        assert_eq!(csv, curve::csv(curve, lines), "{}", curve.name);
        assert!(page.contains(&format!("images/scale-{}.svg", curve.name)), "{}", curve.name);
    }
}

#[tokio::test(start_paused = true)]
async fn every_curve_can_be_played() {
    for curve in &curve::ALL {
        let run = runs::play(curve.name, Size::Tiny).await.unwrap();
        // At this size a line may have nothing but zeros, which its scale has no place for.
        assert!(run.lines.iter().any(|line| !line.points.is_empty()), "{}: {:?}", curve.name, run.lines);
        let values = run.lines.iter().flat_map(|line| &line.points).map(|point| point.1);
        assert!(values.clone().all(|value| value.is_finite() && value >= 0.0), "{}", curve.name);
        if curve.name == "keys" {
            let of = |name: &str| run.facts.iter().find(|fact| fact.0.ends_with(name)).unwrap().1;
            let (by_key, billed) = (of("key by key"), of("as billed"));
            assert!((by_key / billed - 1.0).abs() < 0.02, "{by_key} units key by key, {billed} as billed");
        }
    }
    assert!(runs::play("another", Size::Tiny).await.is_err());
}

use proptest::prelude::*;

use super::*;

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

#[test]
fn a_number_is_written_by_its_exact_text() {
    for (read, written) in [
        ("71.840", "71.84"),
        ("0", "0"),
        ("-0.0", "0"),
        ("1028.559", "1028.559"),
        ("7e1", "70"),
        ("7.5E-3", "0.0075"),
        ("\"12.50\"", "12.5"),
        ("100", "100"),
        ("0.1", "0.1"),
        ("9223372036854775807", "9223372036854775807"),
    ] {
        let number: Decimal = serde_json::from_str(read).unwrap();
        assert_eq!(serde_json::to_string(&number).unwrap(), written, "{read}");
    }
}

#[test]
fn an_absurd_number_is_an_error_and_costs_nothing() {
    for text in ["1e29", "1e999999999999999999999", "1e-29", "123456789012345678901234567890"] {
        assert_eq!(text.parse::<Decimal>(), Err(DecimalError::Absurd), "{text}");
    }
    assert_eq!("9".repeat(1_000_000).parse::<Decimal>(), Err(DecimalError::Absurd));
    assert_eq!("0e999999999999999999999".parse::<Decimal>(), Ok(Decimal::ZERO));
    assert_eq!(Decimal::scaled(i64::MAX, 28), Err(DecimalError::Absurd));
    assert_eq!(Decimal::scaled(1, i32::MAX), Err(DecimalError::Absurd));
    assert_eq!(Decimal::scaled(1, i32::MIN), Err(DecimalError::Absurd));
}

#[test]
fn what_is_no_number_is_told_so() {
    for text in ["", "-", ".", "e5", "1e", "1e+", "1.2.3", "--1", "+-1", "NaN", "0x10", "1 ", "٣"] {
        assert_eq!(text.parse::<Decimal>(), Err(DecimalError::NotANumber), "{text:?}");
    }
}

#[test]
fn scaling_is_exact() {
    assert_eq!(Decimal::scaled(71_840, -3), Ok(decimal("71.84")));
    assert_eq!(Decimal::scaled(7_184, -2), Ok(decimal("71.84")));
    assert_eq!(Decimal::scaled(-5, 2), Ok(decimal("-500")));
    assert_eq!(decimal("1.78").shifted(2), Ok(decimal("178")));
    assert_eq!(decimal("250").as_integer(), Some(250));
    assert_eq!(decimal("2.5").as_integer(), None);
}

#[test]
fn a_tree_keeps_its_numbers_and_sorts_its_keys() {
    let tree = Json::parse(br#" {"b": [1.10, null, true, "x"], "a": {"c": 123456789012345678.123456789}} "#).unwrap();
    assert_eq!(
        serde_json::to_string(&tree).unwrap(),
        r#"{"a":{"c":123456789012345678.123456789},"b":[1.1,null,true,"x"]}"#
    );
    assert_eq!(serde_json::from_str::<Json>(&serde_json::to_string(&tree).unwrap()).unwrap(), tree);
}

#[test]
fn one_bad_leaf_does_not_spoil_a_tree() {
    let tree = Json::parse(br#"{"huge": 1e400, "lone": "\ud800", "good": 5}"#).unwrap();
    assert_eq!(tree.get("huge"), Some(&Json::Unreadable));
    assert_eq!(tree.get("lone"), Some(&Json::Unreadable));
    assert_eq!(tree.get("good"), Some(&Json::Number(Decimal::from(5))));
}

#[test]
fn a_cut_off_or_bottomless_document_is_an_error() {
    assert_eq!(Json::parse(br#"{"status":0,"body":{"#), Err(JsonError::Syntax));
    assert_eq!(Json::parse(b"<html>"), Err(JsonError::Syntax));
    assert_eq!(Json::parse(b""), Err(JsonError::Syntax));
    assert_eq!(Json::parse(&[b"[".repeat(200_000), b"]".repeat(200_000)].concat()), Err(JsonError::TooDeep));
}

proptest! {
    #[test]
    fn scaling_and_writing_agree_for_every_pair_in_bounds(value in any::<i64>(), unit in -9_i32..=9) {
        let number = Decimal::scaled(value, unit).unwrap();
        prop_assert_eq!(format!("{value}e{unit}").parse::<Decimal>(), Ok(number));
        prop_assert_eq!(number.to_string().parse::<Decimal>(), Ok(number));
        prop_assert_eq!(number.shifted(-unit), Ok(Decimal::from(value)));
    }

    #[test]
    fn no_text_makes_reading_panic(text in ".{0,200}") {
        let _ = text.parse::<Decimal>();
        let _ = Json::parse(text.as_bytes());
    }

    #[test]
    fn no_bytes_make_reading_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Json::parse(&bytes);
    }
}

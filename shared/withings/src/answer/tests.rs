use super::*;
use crate::row::Why;

fn fixture(name: &str) -> Body {
    let path = format!("{}/../../tests/fixtures/withings/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let tree = Json::parse(&std::fs::read(path).unwrap()).unwrap();
    Body::new(tree.get("body").cloned().unwrap_or_default())
}

fn parsed(text: &str) -> Body {
    Body::new(Json::parse(text.as_bytes()).unwrap())
}

#[test]
fn measures_are_read_with_everything_they_hold() {
    let read = measures::read(&fixture("getmeas_page2"));
    assert_eq!(read.problems, []);
    assert_eq!(read.rows.len(), 5);
    let scan = &read.rows[0];
    assert_eq!((scan.grpid, scan.measures.len(), scan.model_id), (7_000_000_120, 24, Some(10)));
    assert_eq!(scan.timezone.as_deref(), Some("Europe/Lisbon"));
    assert_eq!(scan.measures[9].position, Some(12));
    let manual = &read.rows[2];
    assert_eq!((manual.attrib, &manual.device_id, &manual.model), (Some(2), &None, &None));
    assert_eq!(manual.measures[0].other.keys().collect::<Vec<_>>(), ["appliver", "apppfmid"]);
}

#[test]
fn one_bad_row_is_told_and_costs_no_other() {
    let read = measures::read(&parsed(
        r#"{"measuregrps":[
            {"grpid":"1","date":"100","measures":[{"value":"7","type":1},{"value":1e400,"type":1,"unit":0},5]},
            {"date":100}, null, {"grpid":2,"date":1.5}, {"grpid":3,"date":100,"measures":"none","model":93}
        ]}"#,
    ));
    let grpids: Vec<_> = read.rows.iter().map(|group| (group.grpid, group.measures.len())).collect();
    assert_eq!(grpids, [(1, 1), (3, 0)]);
    assert_eq!((read.rows[1].model_id, &read.rows[1].model), (Some(93), &None));
    let mut told: Vec<_> = read.problems.iter().map(ToString::to_string).collect();
    told.sort();
    assert_eq!(
        told,
        [
            "measuregrps[0].measures[1]: value is missing or not of its type",
            "measuregrps[0].measures[2] is not an object",
            "measuregrps[1]: grpid is missing or not of its type",
            "measuregrps[2] is not an object",
            "measuregrps[3]: date is missing or not of its type",
            "measuregrps[4].measures is not a list",
        ]
    );
}

#[test]
fn an_empty_answer_has_no_rows_in_any_of_its_spellings() {
    for name in ["getintradayactivity_empty", "getintradayactivity_empty_array"] {
        assert_eq!(intraday::read(&fixture(name)), Rows { rows: Vec::new(), problems: Vec::new() });
    }
    for text in ["{}", "[]", "null", r#"{"series":[]}"#, r#"{"series":{}}"#, r#"{"series":null}"#] {
        assert_eq!(workouts::read(&parsed(text)).rows, [], "{text}");
        assert_eq!(workouts::read(&parsed(text)).problems, [], "{text}");
    }
    assert_eq!(intraday::read(&parsed(r#"{"series":[5]}"#)).problems[0].why, Why::NotAnObject);
}

#[test]
fn a_single_object_counts_as_a_list_of_one() {
    let read = activity::read(&parsed(r#"{"activities":{"date":"2026-09-15","steps":5}}"#));
    assert_eq!(read.rows.len(), 1);
}

#[test]
fn a_heart_rate_may_be_a_number_or_an_object_around_it() {
    let text = |rate: &str| format!(r#"{{"series":[{{"ecg":{{"signalid":1}},"timestamp":5,"heart_rate":{rate}}}]}}"#);
    for rate in ["58", "\"58\"", r#"{"value":58,"is_deleted":false}"#] {
        assert_eq!(heart::read(&parsed(&text(rate))).rows[0].heart_rate, Some(58));
    }
}

#[test]
fn a_token_is_read_with_its_userid_as_number_or_string() {
    for name in ["oauth_token", "oauth_token_userid_string"] {
        let token = token::read(&fixture(name)).unwrap();
        assert_eq!((token.userid, token.expires_in_s), (90_001_001, 10_800));
        assert_eq!(token.scope, ["user.info", "user.metrics", "user.activity", "user.sleepevents"]);
        assert_eq!(token.access_token.reveal().len(), 40);
        assert!(!format!("{token:?}").contains(token.refresh_token.reveal()));
    }
    assert!(token::read(&parsed("{}")).is_err());
    assert_eq!(token::read_nonce(&fixture("signature_getnonce")).unwrap().len(), 40);
}

#[test]
fn subscriptions_keep_withings_spelling() {
    let read = notify::read(&fixture("notify_list"));
    assert_eq!(read.rows.len(), 6);
    assert_eq!(read.rows[4].callback_url, "https://hooks.example.org/withings/9f3c/");
    assert_eq!(read.rows[0].expires, Some(2_147_483_647));
    assert_eq!(notify::read(&fixture("notify_list_empty")).rows, []);
}

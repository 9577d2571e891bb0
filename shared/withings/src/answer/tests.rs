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

#[test]
fn goals_are_one_row_or_none_and_an_unreadable_weight_costs_only_itself() {
    let read = goals::read(&fixture("user_getgoals"));
    assert_eq!((read.rows[0].weight, read.rows[0].data.len(), read.problems.len()), (Some((70_000, -3)), 2, 0));
    for none in [r#"{"goals":[]}"#, r#"{"goals":{}}"#, "{}", "[]"] {
        assert_eq!(goals::read(&parsed(none)), Rows { rows: Vec::new(), problems: Vec::new() }, "{none}");
    }
    let read = goals::read(&parsed(r#"{"goals":{"steps":9000,"weight":"light"}}"#));
    assert_eq!((read.rows[0].weight, read.rows[0].data.len(), read.problems.len()), (None, 2, 1));
}

#[test]
fn a_signal_is_read_with_its_rate_and_an_empty_one_is_not_wrong() {
    let ecg = signal::read_ecg(&fixture("heart_get")).unwrap();
    assert_eq!((ecg.samples[..3].to_vec(), ecg.model_id, ecg.position), (vec![103, 143, 310], Some(94), Some(1)));
    assert_eq!(ecg.sampling_hz, Some(300.into()));
    let sound = signal::read_stetho(&fixture("stetho_get")).unwrap();
    assert_eq!((sound.sampling_hz, sound.position), (Some(4_000.into()), Some(15)));
    assert_eq!(sound.other.keys().collect::<Vec<_>>(), ["channel", "duration", "format", "resolution", "size", "vhd"]);
    for empty in ["{}", r#"{"signal":[]}"#, r#"{"signal":null,"model":94}"#, r#"{"signal":{}}"#] {
        assert!(signal::read_ecg(&parsed(empty)).unwrap().samples.is_empty(), "{empty}");
    }
    for wrong in [r#"{"signal":"AAAA"}"#, r#"{"signal":[1,null]}"#, r#"{"signal":[1.5]}"#] {
        assert!(signal::read_ecg(&parsed(wrong)).is_err(), "{wrong}");
    }
}

#[test]
fn what_stands_in_a_recording_and_is_not_known_is_kept() {
    let read = heart::read(&parsed(
        r#"{"series":[{"ecg":{"signalid":1,"afib":0,"new":2},"bloodpressure":{"systole":120,"map":90},
            "stetho":{"vhd":1},"heart_rate":{"value":58,"grpid":7},"timestamp":5,"deviceid":"a","hash_deviceid":"b"}]}"#,
    ));
    let ecg = &read.rows[0];
    assert_eq!((ecg.systolic, ecg.diastolic, ecg.heart_rate, &ecg.stetho), (Some(120), None, Some(58), &None));
    assert_eq!(ecg.device_id.as_deref(), Some("b"));
    let kept = Json::parse(
        br#"{"ecg":{"new":2},"bloodpressure":{"map":90},"stetho":{"vhd":1},"heart_rate":{"grpid":7},"deviceid":"a"}"#,
    );
    assert_eq!(Ok(Json::Object(ecg.other.clone())), kept);
}

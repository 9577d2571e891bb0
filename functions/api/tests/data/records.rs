//! Lists of records.

use afferent_domain::record::Record;
use lambda_http::http::StatusCode;
use serde_json::Value;

use crate::stack::{DAY_MS, FIRST_MS, Stack};

fn ids(list: &Value) -> Vec<&str> {
    list["records"].as_array().unwrap().iter().map(|record| record["record"].as_str().unwrap()).collect()
}

fn of(records: &[Record], days: impl IntoIterator<Item = usize>) -> Vec<&str> {
    days.into_iter().map(|day| records[day].record.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn the_newest_come_first_and_retracted_ones_only_if_asked_for() {
    let stack = Stack::start().await;
    stack.register().await;
    let weights = stack.weigh_ten_times().await;
    let list = stack.json("records").await;
    assert_eq!(ids(&list), of(&weights, [9, 8, 7, 6, 5, 4, 3, 1, 0]));
    assert_eq!(list["next"], Value::Null);
    let oldest = stack.json("records?kind=body_weight&order=oldest&include_retracted=true").await;
    assert_eq!(ids(&oldest), of(&weights, 0..10));
    assert_eq!(ids(&stack.json("records?status=entered-in-error").await), of(&weights, [2]));
    assert_eq!(ids(&stack.json("records?status=preliminary").await), of(&weights, []));
}

#[tokio::test(start_paused = true)]
async fn kinds_and_dates_narrow_a_list_and_its_pages_hold_together_what_it_holds() {
    let stack = Stack::start().await;
    let weights = stack.weigh_ten_times().await;
    stack.pulse(FIRST_MS).await;
    assert_eq!(
        ids(&stack.json("records?kind=body_weight,bone_mass&start_date=2026-11-08").await),
        of(&weights, [9, 8, 7])
    );
    let days = "records?kind=body_weight&start_date=2026-11-04&end_date=2026-11-06";
    assert_eq!(ids(&stack.json(days).await), of(&weights, [5, 4, 3]));
    let instants = "records?kind=body_weight&start_date=2026-11-04T07:00:00Z&end_date=2026-11-06T08:00:00%2B01:00";
    assert_eq!(ids(&stack.json(instants).await), of(&weights, [4, 3]));

    let mut found: Vec<String> = Vec::new();
    let mut next = String::new();
    loop {
        let page = stack.json(&format!("records?kind=body_weight&limit=4{next}")).await;
        found.extend(ids(&page).into_iter().map(str::to_owned));
        let Some(cursor) = page["next"].as_str() else { break };
        next = format!("&cursor={cursor}");
    }
    assert_eq!(found, of(&weights, [9, 8, 7, 6, 5, 4, 3, 1, 0]));
}

#[tokio::test(start_paused = true)]
async fn numbers_come_as_they_are_stored() {
    let stack = Stack::start().await;
    stack.weigh(FIRST_MS, "81.2000000000000001").await;
    assert!(stack.get("records").await.text.contains(r#""value":81.2000000000000001"#));
    assert!(stack.get("latest").await.text.contains(r#""value":81.2000000000000001"#));
}

#[tokio::test(start_paused = true)]
async fn one_record_is_found_by_its_id_and_only_under_its_user() {
    let stack = Stack::start().await;
    let weight = stack.weigh(FIRST_MS, "80").await;
    let found = stack.json(&format!("records/{}", weight.record)).await;
    assert_eq!((found["record"].as_str(), found["value"].as_i64()), (Some(weight.record.as_str()), Some(80)));
    let others = format!("/v1/users/usr_00000000000000000000000000/records/{}", weight.record);
    let key = stack.key("read").await;
    assert_eq!(stack.get_with(&key, &others, "*/*").await.status, StatusCode::NOT_FOUND);
    for other in ["rec_00000000000000000000000000", "rec_1", "_"] {
        assert_eq!(stack.get(&format!("records/{other}")).await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test(start_paused = true)]
async fn the_latest_of_each_kind_is_there_once() {
    let stack = Stack::start().await;
    let weights = stack.weigh_ten_times().await;
    let bone = stack.put("bone_mass", FIRST_MS, |fact| fact.value = Some(3.into())).await;
    stack.pulse(FIRST_MS).await;
    let all = stack.json("latest").await;
    assert!(ids(&all).contains(&weights[9].record.as_str()) && ids(&all).contains(&bone.record.as_str()));
    let one = stack.json("latest?kind=body_weight,muscle_mass").await;
    assert_eq!(ids(&one), of(&weights, [9]));
}

#[tokio::test(start_paused = true)]
async fn a_table_and_lines_are_paged_by_links() {
    let stack = Stack::start().await;
    stack.weigh_ten_times().await;
    let csv = stack.get("records?format=csv&limit=5").await;
    assert_eq!(csv.content_type, "text/csv; charset=utf-8; header=present");
    let rows: Vec<&str> = csv.text.trim_end().split("\r\n").collect();
    assert!(rows[0].starts_with("record,rev,status,kind,part,start,end,"));
    assert_eq!(rows.len(), 6);
    assert!(rows[1].contains(",final,body_weight,,2026-11-10T07:00:00"), "{}", rows[1]);
    assert!(rows[1].contains(",81,kg,"), "{}", rows[1]);
    let rest = stack.follow(&csv).await.unwrap();
    assert_eq!((rest.text.trim_end().split("\r\n").count(), rest.link), (5, None));

    let key = stack.key("read").await;
    let path = format!("/v1/users/{}/records?limit=8", stack.user);
    let lines = stack.get_with(&key, &path, "application/x-ndjson").await;
    assert_eq!((&*lines.content_type, lines.lines().len()), ("application/x-ndjson", 8));
    assert_eq!(stack.follow(&lines).await.unwrap().json()["records"].as_array().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_makes_no_sense_is_refused_by_name() {
    let stack = Stack::start().await;
    for (query, field) in [
        ("colour=red", "colour"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("format=csv&limit=1001", "limit"),
        ("order=loudest", "order"),
        ("status=gone", "status"),
        ("include_retracted=maybe", "include_retracted"),
        ("start_date=yesterday", "start_date"),
        ("start_date=2026-11-21&end_date=2026-11-20", "end_date"),
        ("start_date=2026-11-21&end_date=2026-11-22T00:00:00Z", "end_date"),
        ("cursor=x", "cursor"),
        ("format=xml", "format"),
    ] {
        assert_eq!(stack.refused(&format!("records?{query}")).await, field, "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_of_one_user_reads_that_user_and_no_other() {
    let stack = Stack::start().await;
    stack.register().await;
    stack.weigh(FIRST_MS + DAY_MS, "80").await;
    let own = stack.key(&format!("user:{}", stack.user)).await;
    let other = stack.key("user:usr_00000000000000000000000000").await;
    for path in ["records", "latest", "series?kind=body_weight", "summaries/body", "export", "events"] {
        let path = format!("/v1/users/{}/{path}", stack.user);
        assert_eq!(stack.get_with(&own, &path, "*/*").await.status, StatusCode::OK, "{path}");
        assert_eq!(stack.get_with(&other, &path, "*/*").await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_latest_of_kinds_that_are_too_long_for_one_answer_are_refused_rather_than_cut() {
    let stack = Stack::start().await;
    let kinds = ["body_weight", "body_height", "bone_mass", "muscle_mass", "vo2_max", "body_fat_mass", "heart_rate"];
    for kind in kinds {
        let long = |fact: &mut afferent_domain::record::Fact| fact.source.comment = Some("\"".repeat(160_000));
        stack.put(kind, FIRST_MS, long).await;
    }
    for format in ["json", "csv", "ndjson"] {
        let some = stack.get(&format!("latest?kind={}&format={format}", kinds[..2].join(","))).await;
        let bytes = afferent_store::records::escaped_len(&some.text);
        assert!(some.status == StatusCode::OK && bytes < 4_000_000, "{format}: {bytes}");
        assert_eq!(
            stack.refused(&format!("latest?kind={}&format={format}", kinds.join(","))).await,
            "kind",
            "{format}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_form_is_that_which_is_liked_most_and_who_likes_none_is_told_so() {
    let stack = Stack::start().await;
    stack.weigh(FIRST_MS, "80").await;
    let key = stack.key("read").await;
    for (accept, kind) in [
        ("application/json, text/csv;q=0.1", "application/json"),
        ("application/json;q=0.1, text/csv", "text/csv; charset=utf-8; header=present"),
        ("application/xml, application/x-ndjson;q=0.5", "application/x-ndjson"),
    ] {
        for path in ["records", "latest", "series?kind=body_weight", "summaries/body"] {
            let path = format!("/v1/users/{}/{path}", stack.user);
            assert_eq!(stack.get_with(&key, &path, accept).await.content_type, kind, "{path} {accept}");
            let refused = stack.get_with(&key, &path, "application/xml").await;
            assert_eq!(
                (refused.status, &*refused.content_type),
                (StatusCode::NOT_ACCEPTABLE, "application/problem+json")
            );
            assert_eq!(refused.json()["type"], "urn:afferent:problem:not-acceptable");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_fits_into_an_answer_in_every_form() {
    let stack = Stack::start().await;
    for number in 0..12 {
        let long = |fact: &mut afferent_domain::record::Fact| fact.source.comment = Some("\"".repeat(150_000));
        stack.put("ecg_signal", number, long).await;
    }
    for format in ["json", "csv", "ndjson"] {
        let answer = stack.get(&format!("records?limit=100&format={format}")).await;
        let bytes = afferent_store::records::escaped_len(&answer.text);
        assert!(answer.status == StatusCode::OK && bytes < 4_100_000, "{format}: {bytes}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cursor_belongs_to_its_request() {
    let stack = Stack::start().await;
    stack.weigh_ten_times().await;
    let next = stack.json("records?limit=3&kind=body_weight&order=newest").await["next"].as_str().unwrap().to_owned();
    for other in ["records?kind=body_weight&order=oldest", "records?order=newest", "summaries/body?limit=3"] {
        assert_eq!(stack.refused(&format!("{other}&cursor={next}")).await, "cursor", "{other}");
    }
    let rest = stack.json(&format!("records?order=newest&kind=body_weight&limit=4&cursor={next}")).await;
    assert_eq!(ids(&rest).len(), 4, "the order of the parameters and the limit are not part of it");
    let days = stack.json("summaries/body?limit=3").await["next"].as_str().unwrap().to_owned();
    assert_eq!(stack.refused(&format!("summaries/daily?cursor={days}")).await, "cursor");
    assert_eq!(stack.refused(&format!("series?kind=body_weight&resolution=1d&cursor={days}")).await, "cursor");
    assert_eq!(stack.refused(&format!("export?cursor={days}")).await, "cursor");
}

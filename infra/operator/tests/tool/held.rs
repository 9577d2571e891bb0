//! Retractions that wait for somebody's decision.

use serde_json::{Value, json};
use withings_simulator::{MeasureGroup, Notify};

use crate::Operator;

const HOUR: u64 = 3_600;

/// Withings has lost 25 of 30 measurements, and that is held.
async fn held() -> (Operator, Value) {
    let operator = Operator::start().await;
    let rig = &operator.rig;
    let now = rig.stack.clock.now().as_secs();
    let groups: Vec<MeasureGroup> =
        (1..=30).map(|hour| rig.person.blood_pressure(now - hour * 3_600, 80, 120, 60)).collect();
    let ids = rig.withings.add(rig.person.userid, groups, Notify::No).unwrap();
    rig.post(&format!("userid={}&appli=58", rig.person.userid)).await;
    operator.sleep(10 * 60).await;
    for id in &ids[2..27] {
        rig.withings.delete::<MeasureGroup>(rig.person.userid, id, Notify::No).unwrap();
    }
    let window = format!("startdate={}&enddate={now}", now - 40 * 3_600);
    rig.post(&format!("userid={}&appli=4&{window}", rig.person.userid)).await;
    operator.sleep(25 * HOUR).await;
    let connection = operator.rig.connection.id.to_string();
    let list = operator.json(&["retractions", "list", &connection]).await;
    assert_eq!(list["retractions"].as_array().unwrap().len(), 1, "{list}");
    (operator, list["retractions"][0].clone())
}

#[tokio::test(start_paused = true)]
async fn what_is_held_is_listed_in_numbers_and_let_through() {
    let (operator, retraction) = held().await;
    let (connection, id) = (operator.rig.connection.id.to_string(), retraction["retraction"].as_str().unwrap());
    assert_eq!(
        (&retraction["state"], &retraction["records"]),
        (&json!("held"), &json!(50)),
        "pressures and rates: {retraction}"
    );
    let (text, _) = operator.run(&["retractions", "list", &connection]).await;
    assert!(text.starts_with("retraction ") && text.contains("held") && text.contains("blood_pressure=25"), "{text}");
    let approved = operator.json(&["retractions", "approve", &connection, id]).await;
    assert_eq!(approved["state"], "approved");
    operator.sleep(2 * HOUR).await;
    assert_eq!(operator.json(&["retractions", "list", &connection]).await, json!({"retractions": []}));
}

#[tokio::test(start_paused = true)]
async fn what_is_held_is_dropped() {
    let (operator, retraction) = held().await;
    let (connection, id) = (operator.rig.connection.id.to_string(), retraction["retraction"].as_str().unwrap());
    let dropped = operator.json(&["retractions", "reject", &connection, id]).await;
    assert_eq!(dropped["retraction"], id);
    assert_eq!(operator.json(&["retractions", "list", &connection]).await, json!({"retractions": []}));
    assert!(operator.refused(&["retractions", "reject", &connection, id]).await.contains("404"), "it is gone");
}

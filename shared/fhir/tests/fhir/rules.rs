//! Rules of HL7 that hold for every Observation, each by its name. (`tests/fhir` asks the same of programs that others
//! wrote.)

use std::collections::BTreeSet;

use serde_json::Value;

use crate::fixtures;

const UCUM: &str = "http://unitsofmeasure.org";

/// Every Observation, as a reader gets it.
fn observations() -> Vec<Value> {
    let resources = fixtures::all().iter().filter_map(|record| afferent_fhir::observation(record, &BTreeSet::new()));
    resources.map(|resource| serde_json::from_str(&serde_json::to_string(&resource).unwrap()).unwrap()).collect()
}

fn value(part: &Value) -> Option<(&String, &Value)> {
    part.as_object().unwrap().iter().find(|(name, _)| name.starts_with("value"))
}

fn parts(resource: &Value) -> &[Value] {
    resource["component"].as_array().map_or(&[], Vec::as_slice)
}

fn codings(concept: &Value) -> BTreeSet<(String, String)> {
    let text = |coding: &Value, name: &str| coding[name].as_str().unwrap().to_owned();
    let codings = concept["coding"].as_array().unwrap();
    codings.iter().map(|coding| (text(coding, "system"), text(coding, "code"))).collect()
}

fn has_loinc(resource: &Value, code: &str) -> bool {
    codings(&resource["code"]).contains(&("http://loinc.org".to_owned(), code.to_owned()))
}

fn claims(resource: &Value, profile: &str) -> bool {
    let url = format!("http://hl7.org/fhir/StructureDefinition/{profile}");
    resource["meta"]["profile"].as_array().is_some_and(|profiles| profiles.iter().any(|other| *other == *url))
}

fn assert_whole(json: &Value, path: &str) {
    match json {
        Value::Null => panic!("{path} is null"),
        Value::String(text) => assert!(!text.trim().is_empty(), "{path} is an empty text"),
        Value::Array(items) => {
            assert!(!items.is_empty(), "{path} is an empty list");
            items.iter().for_each(|item| assert_whole(item, path));
        }
        Value::Object(members) => {
            assert!(!members.is_empty(), "{path} is an empty object");
            members.iter().for_each(|(name, member)| assert_whole(member, &format!("{path}.{name}")));
        }
        _ => {}
    }
}

#[test]
fn ele_1_every_element_has_a_value_or_children() {
    observations().iter().for_each(|resource| assert_whole(resource, "Observation"));
}

#[test]
fn obs_6_a_reason_why_there_is_no_value_stands_only_where_there_is_none() {
    for resource in observations() {
        for part in parts(&resource).iter().chain([&resource]) {
            assert!(value(part).is_none() || part.get("dataAbsentReason").is_none(), "{resource}");
        }
    }
}

#[test]
fn obs_7_a_value_beside_parts_is_not_of_their_code() {
    for resource in observations().iter().filter(|resource| value(resource).is_some()) {
        let own = codings(&resource["code"]);
        assert!(parts(resource).iter().all(|part| own.is_disjoint(&codings(&part["code"]))), "{resource}");
    }
}

#[test]
fn an_observation_without_a_value_has_parts_or_says_why_vs_2_and_so_has_each_part_vs_3() {
    for resource in observations() {
        let said = value(&resource).is_some() || resource.get("dataAbsentReason").is_some();
        assert!(said || !parts(&resource).is_empty(), "{resource}");
        for part in parts(&resource) {
            assert!(value(part).is_some() || part.get("dataAbsentReason").is_some(), "{resource}");
        }
    }
}

#[test]
fn a_value_and_its_reason_come_once() {
    for resource in observations() {
        for part in parts(&resource).iter().chain([&resource]) {
            let count = part.as_object().unwrap().keys().filter(|name| name.starts_with("value")).count();
            assert!(count <= 1, "{resource}");
        }
    }
}

#[test]
fn sampled_data_has_an_origin_a_period_and_as_many_numbers_as_it_says() {
    let mut count = 0;
    for resource in observations() {
        for part in parts(&resource).iter().filter_map(|part| part.get("valueSampledData")) {
            count += 1;
            // sqty-1 and the type SimpleQuantity: no comparator.
            assert!(part["origin"].get("comparator").is_none());
            assert_eq!(part["origin"]["value"], 0);
            assert!(part["period"].as_f64().unwrap() > 0.0);
            assert_eq!(part["dimensions"], 1);
            let data = part["data"].as_str().unwrap();
            assert!(data.split(' ').all(|item| item == "E" || item.parse::<f64>().is_ok()), "{data}");
        }
    }
    assert!(count > 20, "{count}");
}

#[test]
fn qty_3_a_code_of_a_unit_has_its_system_and_a_unit_for_people() {
    for resource in observations() {
        for quantity in parts(&resource).iter().chain([&resource]).filter_map(|part| part.get("valueQuantity")) {
            assert_eq!(quantity.get("code").is_some(), quantity.get("system").is_some(), "{quantity}");
            assert_eq!(quantity.get("code").is_some(), quantity.get("unit").is_some(), "{quantity}");
            assert!(quantity["value"].is_number());
            assert!(quantity.get("system").is_none_or(|system| system == UCUM));
        }
    }
}

#[test]
fn a_vital_sign_has_its_category_subject_instant_and_a_quantity_in_the_unit_of_its_profile() {
    let profiles = [
        ("bodyweight", "29463-7", "kg"),
        ("bodyheight", "8302-2", "cm"),
        ("heartrate", "8867-4", "/min"),
        ("bodytemp", "8310-5", "Cel"),
        ("oxygensat", "2708-6", "%"),
    ];
    let all = observations();
    for (profile, loinc, unit) in profiles {
        let coded: Vec<&Value> = all.iter().filter(|resource| has_loinc(resource, loinc)).collect();
        assert!(coded.len() >= 3, "{profile}");
        for resource in coded {
            assert!(claims(resource, profile), "{resource}");
            let categories = codings(&resource["category"][0]);
            let vital = "http://terminology.hl7.org/CodeSystem/observation-category";
            assert!(categories.contains(&(vital.to_owned(), "vital-signs".to_owned())));
            assert!(resource["subject"]["reference"].as_str().unwrap().starts_with("Patient/"));
            // vs-1: to the day at least; ours are to the second.
            assert!(resource["effectiveDateTime"].as_str().unwrap().len() >= 20);
            match resource.get("valueQuantity") {
                Some(quantity) => assert_eq!((&quantity["code"], &quantity["system"]), (&unit.into(), &UCUM.into())),
                None => assert_eq!(resource["status"], "entered-in-error"),
            }
        }
        assert!(all.iter().filter(|resource| claims(resource, profile)).all(|resource| has_loinc(resource, loinc)));
    }
}

#[test]
fn a_blood_pressure_has_both_pressures_once_each_in_millimetres_of_mercury() {
    let all = observations();
    let panels: Vec<&Value> = all.iter().filter(|resource| has_loinc(resource, "85354-9")).collect();
    assert!(panels.len() >= 6);
    for panel in panels {
        assert!(claims(panel, "bp") && value(panel).is_none());
        for code in ["8480-6", "8462-4"] {
            let of_code: Vec<&Value> = parts(panel).iter().filter(|part| has_loinc(part, code)).collect();
            assert_eq!(of_code.len(), 1, "{panel}");
            match of_code[0].get("valueQuantity") {
                Some(quantity) => assert_eq!(quantity["code"], "mm[Hg]"),
                None => assert!(of_code[0].get("dataAbsentReason").is_some()),
            }
        }
    }
}

#[test]
fn an_id_is_one_that_fhir_takes_and_no_resource_has_a_withings_userid() {
    for resource in observations() {
        let id = resource["id"].as_str().unwrap();
        assert!(id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte)), "{id}");
        assert!(!resource.to_string().contains("userid"));
    }
}

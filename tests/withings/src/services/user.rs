//! `/v2/user` getdevice, getgoals, link, unlink and activate.

use serde_json::{Value, json};

use super::signature::signed;
use super::{Reading, caller};
use crate::Simulator;
use crate::answer::{Answer, Refusal};
use crate::data::Device;
use crate::request::Incoming;
use crate::state::{NewUser, Notify};
use crate::tokens::{ACTIVATION_CODE_LIFE, Caller};

pub(super) fn getdevice(reading: &Reading<'_>) -> Answer {
    let devices: Vec<Value> = reading
        .user
        .devices
        .iter()
        .map(|device| {
            json!({
                "type": device.kind,
                "battery": device.battery,
                "model": device.model,
                "model_id": device.model_id,
                "timezone": device.timezone,
                "first_session_date": device.first_session_date,
                "last_session_date": device.last_session_date,
                "deviceid": device.deviceid,
                "hash_deviceid": device.deviceid,
            })
        })
        .collect();
    Ok(json!({ "devices": devices }))
}

/// An object, or an empty *array* if there are none (recorded).
pub(super) fn getgoals(reading: &Reading<'_>) -> Answer {
    Ok(match &reading.user.goals {
        Some(goals) => json!({ "goals": goals }),
        None => json!({ "goals": [] }),
    })
}

fn macs(incoming: &Incoming) -> Vec<String> {
    let list = incoming.arguments.list("mac_addresses").unwrap_or_default();
    let bare = |mac: &str| mac.trim_matches(['[', ']', '"', ' ']).to_owned();
    list.into_iter().map(bare).filter(|mac| !mac.is_empty()).collect()
}

fn add_devices(simulator: &Simulator, userid: i64, macs: Vec<String>) -> Result<(), Refusal> {
    let devices = macs.into_iter().map(|mac| {
        let hash = ring::digest::digest(&ring::digest::SHA256, mac.as_bytes());
        let deviceid = hash.as_ref().iter().take(20).map(|byte| format!("{byte:02x}")).collect();
        let (kind, model) = ("Scale".to_owned(), "Body Pro".to_owned());
        Device { kind, model, model_id: 9, deviceid, mac: Some(mac), ..Device::default() }
    });
    simulator.add(userid, devices, Notify::No).map_err(|_| Refusal::new(247, "Invalid Params"))?;
    Ok(())
}

/// Links devices that were set up without an account. The answer's body is not documented.
pub(super) fn link(simulator: &Simulator, incoming: &Incoming) -> Answer {
    let caller = caller(simulator, incoming)?;
    let macs = macs(incoming);
    if macs.is_empty() {
        return Err(Refusal::invalid("mac_addresses"));
    }
    add_devices(simulator, caller.userid, macs)?;
    Ok(json!({}))
}

pub(super) fn unlink(simulator: &Simulator, incoming: &Incoming) -> Answer {
    let caller = caller(simulator, incoming)?;
    let mac = incoming.arguments.required("mac_address")?;
    let mut world = simulator.world();
    let user = world.state.user_mut(caller.userid).map_err(|_| Refusal::invalid_token())?;
    let before = user.devices.len();
    user.devices.retain(|device| device.mac.as_deref() != Some(mac));
    if user.devices.len() == before { Err(Refusal::invalid("mac_address")) } else { Ok(json!({})) }
}

/// Creates an account; needs a contract. Its code lives 10 minutes instead of 30 seconds.
pub(super) fn activate(simulator: &Simulator, incoming: &Incoming) -> Answer {
    if !simulator.settings().contracted {
        return Err(Refusal::not_implemented());
    }
    let client_id = signed(simulator, incoming)?.client_id;
    let arguments = &incoming.arguments;
    let timezone = arguments.text("timezone").unwrap_or_default().to_owned();
    let new = NewUser { timezone, ..NewUser::default() };
    let userid = simulator.create_user(new).map_err(|_| Refusal::invalid("timezone"))?;
    add_devices(simulator, userid, macs(incoming))?;
    let scope = "user.info,user.metrics,user.activity,user.sleepevents".to_owned();
    let (caller, now) = (Caller { client_id, userid, scope }, simulator.now());
    let code = simulator.world().tokens.code(caller, None, ACTIVATION_CODE_LIFE, now, simulator.dice.as_ref());
    Ok(json!({ "user": { "code": code, "external_id": arguments.text("external_id") } }))
}

"""Every route of the deployed API may do what it does: the role allows each call that its code makes.

A call that the role does not allow is answered 503. Which routes there are, the API itself says.
"""

import json
import urllib.parse

from test_outcome import Outcome, local, outcome  # noqa: F401 (fixtures)

# What a request needs beside its path. An operation with a body that is not named here fails the test.
BODIES: dict[str, dict] = {
    "approve_retraction": {},
    "authorize_connection": {"reference_id": "somebody"},
    "begin_round": {"cause": "callback"},
    "cancel_backfill": {},
    "cancel_round": {},
    "change_endpoint": {"description": "changed"},
    "compat_change": {"description": "changed again"},
    "compat_register": {"url": "http://127.0.0.1:9/hook"},
    "compat_test": {},
    "create_key": {"label": "e2e", "grants": ["read"]},
    "create_link": {"reference_id": "somebody"},
    "create_user": {"reference_id": "somebody"},
    "disable_endpoint": {"note": "for a test"},
    "disconnect_connection": {},
    "erase_user": {},
    "import_connections": {
        "connections": [{"reference_id": "imported", "userid": 1, "refresh_token": "an-old-one", "backfill": "none"}]
    },
    "link_device": {"mac": "00:24:e4:00:00:01"},
    "recover_deliveries": {"since": "2026-11-01T00:00:00Z", "preview": True},
    "refresh_connection": {},
    "register_endpoint": {"url": "http://127.0.0.1:9/hook", "types": ["body_weight.*"]},
    "reject_retraction": {},
    "replay_events": {"since": "2026-11-01T00:00:00Z", "preview": True},
    "rotate_secret": {},
    "start_backfill": {"start_date": "2026-11-01", "end_date": "2026-11-02", "preview": False},
    "test_endpoint": {"type": "webhook.test"},
}

# The same of those that take a form.
FORMS = {
    "search_devices_by_form": {"patient": "{patient}"},
    "search_observations_by_form": {"patient": "{patient}"},
    "search_patients_by_form": {},
}

# What a request needs in its query.
QUERIES = {
    "get_series": {"kind": "body_weight"},
    "list_erasures": {"user": "{user}"},
    "list_notifications": {"state": "quarantined"},
    "search_devices": {"patient": "{patient}"},
    "search_observations": {"patient": "{patient}"},
}

# These make what others need.
FIRST = ["begin_round", "create_key", "register_endpoint", "start_backfill", "recover_deliveries"]

# These end what the others need.
LAST = ["revoke_key", "delete_endpoint", "compat_delete", "disconnect_connection", "erase_user", "get_erasure"]

# There is no such thing on this stack: a device without an account, a retraction that is held, a notification in quarantine; and
# the endpoint is deleted once already.
REFUSED = {
    "approve_retraction",
    "compat_delete",
    "link_device",
    "reject_retraction",
    "replay_notification",
    "unlink_device",
}

# Nobody waits at Withings for these, and the page of a link needs its token.
ELSEWHERE = {"visit_callback", "open_link", "answer_link"}


def test_every_route_of_the_api_may_do_what_it_does(outcome: Outcome) -> None:  # noqa: F811
    key = outcome.seeded.key
    document = json.loads(outcome.api.call("GET", "v1/openapi.json")[1])
    record = next(item for item in outcome.tables["records"] if item["kind"] == "body_weight")
    device = next(item for item in outcome.tables["records"] if item["kind"] == "device")
    healthy, failing = outcome.seeded.endpoints
    known = {
        "user": outcome.seeded.user,
        "connection": outcome.seeded.connection,
        "endpoint": healthy.id,
        "event": outcome.deliveries(healthy)[0]["event"],
        "record": record["record"],
        "observation": f"{outcome.seeded.user}.{record['record']}".replace("_", "-"),
        "patient": outcome.seeded.user.replace("_", "-"),
        "device": f"{outcome.seeded.user}.{device['record']}".replace("_", "-"),
        "notification": outcome.tables["notifications"][0]["notification"],
        "summary": "body",
        "type": "webhook.test",
        "mac": "00:24:e4:00:00:01",
        "number": "1",
        "run": "run_none",
        "job": "job_none",
        "retraction": "ret_none",
        "erasure": "ers_none",
        "key": "key_none",
        "round": "rnd_none",
    }

    def call(method: str, path: str, operation: dict) -> tuple[int, bytes]:
        name = operation["operationId"]
        query = {what: value.format(**known) for what, value in QUERIES.get(name, {}).items()}
        # What waits can be cancelled, and only what fails waits.
        names = known | ({"endpoint": failing.id} if name == "cancel_delivery" else {})
        address = path.format(**names).lstrip("/") + ("?" + urllib.parse.urlencode(query) if query else "")
        if name in FORMS:
            form = {what: value.format(**known) for what, value in FORMS[name].items()}
            body = urllib.parse.urlencode(form).encode()
        else:
            body = json.dumps(BODIES.get(name, {})).encode() if "requestBody" in operation else None
        if body is None and method == "POST":
            body = b""
        return outcome.api.call(method, address, body, key)

    operations = [
        (method.upper(), path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if isinstance(operation, dict) and operation["operationId"] not in ELSEWHERE
    ]
    rank = {name: place for place, name in enumerate(LAST, 1)} | dict.fromkeys(FIRST, -1)
    operations.sort(key=lambda each: (rank.get(each[2]["operationId"], 0), each[0] != "GET"))
    refused = {}
    for method, path, operation in operations:
        name = operation["operationId"]
        status, body = call(method, path, operation)
        # Of Withings' own refusals this says nothing.
        assert status < 500 or (status == 502 and name in REFUSED), (name, status, body[:300])
        if status >= 400:
            refused[name] = (status, json.loads(body).get("detail"))
        for made in ("key", "run", "job", "erasure", "round"):
            makers = ("create_key", "start_backfill", "recover_deliveries", "erase_user", "begin_round")
            if status in (201, 202) and name in makers:
                known[made] = json.loads(body).get(made) or known[made]
    # The others did what they are for.
    assert set(refused) <= REFUSED, {name: why for name, why in refused.items() if name not in REFUSED}

"""A stack with a person whose day was played, for every test of the API's properties."""

import local
import pytest

# How many categories there are; each brings an event at least.
CATEGORIES = 16


@pytest.fixture(scope="session")
def receiver():
    with local.Receiver() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def stack():
    with local.running("--quiet", "--bare") as stack:
        yield stack


@pytest.fixture(scope="session")
def there(stack, receiver) -> dict[str, str]:
    """What there is, by the names that paths give it: requests about it find something."""
    status, endpoint = stack.ask("POST", "/v1/endpoints", {"url": receiver.url})
    assert status == 201, endpoint
    stack.control("POST", f"users/{stack.userid()}/play")
    path = f"/v1/endpoints/{endpoint['endpoint']}"
    got = stack.wait_until(f"{path}/deliveries?limit=200", lambda said: (found := said["deliveries"])[CATEGORIES:] and found)
    deliveries = [stack.ask("GET", f"{path}/deliveries/{one['event']}")[1] for one in got[:CATEGORIES]]
    user = next(one["user"] for one in deliveries if one["user"].startswith("usr_"))
    record = stack.ask("GET", f"/v1/users/{user}/records")[1]["records"][0]
    patient = user.replace("_", "-", 1)
    resource = {
        kind: stack.wait_until(f"/v1/fhir/r4/{kind}?patient={patient}", lambda said: said.get("entry"))[0]["resource"]["id"]
        for kind in ("Observation", "Device")
    }
    connection = f"/v1/connections/{record['connection']}"
    past = {"start_date": "2026-01-01"}
    return {
        "endpoint": endpoint["endpoint"],
        "event": got[0]["event"],
        "user": user,
        "record": record["record"],
        "connection": record["connection"],
        "run": stack.ask("POST", f"{connection}/backfills", past)[1]["run"],
        "job": stack.ask("POST", f"{path}/recover", {"since": "2026-01-01T00:00:00Z"})[1]["job"],
        "key": stack.ask("POST", "/v1/keys", {"label": "another", "grants": ["read"]})[1]["key"],
        "notification": stack.ask("GET", "/v1/notifications?state=satisfied")[1]["notifications"][0]["notification"],
        "token": stack.ask("POST", "/v1/link", {"reference_id": "somebody"})[1]["link_url"].rsplit("/", 1)[1],
        "type": "body_weight.created",
        "patient": patient,
        "observation": resource["Observation"],
        "device": resource["Device"],
        "number": "1",
    }


@pytest.fixture(scope="session")
def keys(stack, there) -> list[str]:
    """Who asks: an admin, the person, and the owner of the endpoint."""

    def key(grant: str) -> str:
        status, key = stack.ask("POST", "/v1/keys", {"label": grant, "grants": [grant], "rate": 6_000})
        assert status == 201, key
        return key["text"]

    return [stack.key, key(f"user:{there['user']}"), key(f"endpoint:{there['endpoint']}")]

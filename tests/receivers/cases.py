"""What a receiver is given to verify, and what it must say of it."""

import base64
import dataclasses
from collections.abc import Iterator

import stack as local

# A receiver's tolerance is five minutes (Standard Webhooks 1.0, "Verifying webhook authenticity").
LATE_S = 6 * 60

OTHER_SECRET = "whsec_" + base64.b64encode(b"not the secret of this endpoint!").decode()


@dataclasses.dataclass(frozen=True)
class Case:
    """One request, at a time, with a secret."""

    name: str
    headers: dict[str, str]
    body: bytes
    secret: str
    now: float
    is_right: bool


def of(request: local.Request, secret: str) -> Iterator[Case]:
    """The request as it came, and what may not pass for it."""
    right = Case("as it came", request.headers, request.body, secret, request.at, True)
    yield right
    name = next(name for name in request.headers if name.lower() == "webhook-timestamp")
    earlier = {**request.headers, name: str(int(request.headers[name]) - 60)}
    middle = len(request.body) // 2
    changed = request.body[:middle] + bytes([request.body[middle] ^ 1]) + request.body[middle + 1 :]
    for what, change in {
        "a changed byte": {"body": changed},
        "a byte more": {"body": request.body + b" "},
        "another id": {"headers": swapped(request.headers, "webhook-id", "evt_00000000000000000000000000")},
        "another time": {"headers": earlier},
        "no signature": {"headers": {k: v for k, v in request.headers.items() if k.lower() != "webhook-signature"}},
        "another secret": {"secret": OTHER_SECRET},
        "too old": {"now": request.at + LATE_S},
        "from the future": {"now": request.at - LATE_S},
    }.items():
        yield dataclasses.replace(right, name=what, is_right=False, **change)


def swapped(headers: dict[str, str], header: str, value: str) -> dict[str, str]:
    """The headers with another value of one."""
    return {name: value if name.lower() == header else old for name, old in headers.items()}

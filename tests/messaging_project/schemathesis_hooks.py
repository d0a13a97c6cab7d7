"""What schemathesis, a process of its own, cannot know: which ids there are, rules that no schema can say, and how to
sign.

Loaded by its command line (SCHEMATHESIS_HOOKS). Cases of invalid data are left as they are.
"""

from __future__ import annotations

import atexit
import json
import os
import zlib
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote, urlsplit

import requests
import schemathesis
from schemathesis.generation.meta import TestPhase

from tests.messaging_project import signing

KNOWN: dict[str, list[Any]] = json.loads(os.environ["KNOWN"])
KINDS = {
    "organizationID": "organizations",
    "organization_id": "organizations",
    "organization": "organizations",
    "userID": "users",
    "user_id": "users",
    "alarmID": "alarms",
    "alarm_id": "alarms",
    "hookID": "hooks",
    "before": "messages",
    "idempotencyKey": "keys",
    "key": "keys",
    "code": "codes",
    "from": "numbers",
    "From": "numbers",
}
# What `id` is in a path.
OF_PATHS = {"msg": "messages", "device": "devices", "availability": "absences"}
LISTS = {"toUserId": "users", "toGroupId": "units", "messages": "messages"}
# As the last, the published sample's.
LANGUAGES = ("de", "fr", "pt_BR", "property1")
MAX_TEXT = 10_000
# Where nothing listens.
URL = "http://127.0.0.1:1/"
# From when and until when nobody is available, at most: whatever is changed of it, it ends after it begins.
START = datetime(2099, 3, 2, 8, tzinfo=UTC)
SPANS = {"from": timedelta(0), "until": timedelta(hours=6)}
ADDRESSES: dict[str, Callable[[int], str]] = {
    "sms": "+4915200{:06}".format,
    "call": "+4915300{:06}".format,
    "email": "{}@example.org".format,
}
# What is texted, pressed and told, beside what is generated.
WORDS = {
    "text": ("yes", "nein"),
    "Body": ("ja", "no"),
    "Digits": ("1", "2"),
    "MessageStatus": ("delivered", "failed"),
    "CallStatus": ("completed", "busy"),
}


def number_of(name: str, value: Any) -> int:
    """Return a number that hangs on what was generated, so that a seed repeats its run."""
    return zlib.crc32(f"{name}: {value}".encode(errors="replace"))


def with_known(values: dict[str, Any], kinds: dict[str, str] = KINDS, *, always: bool = False) -> None:
    """Replace ids, and texts that are as good; one of five stays: nobody's. 0 and an empty id are none, and stay."""
    for name in kinds.keys() & values.keys():
        known, value = KNOWN[kinds[name]], values[name]
        if isinstance(known[0], int) and not int(value or 0):
            continue
        number = int(value) if isinstance(known[0], int) else number_of(name, value)
        if always or number % 5:
            values[name] = known[number % len(known)]


def with_known_lists(values: dict[str, Any]) -> None:
    """Replace each id of a list, by what was generated."""
    for name in LISTS.keys() & values.keys():
        known = KNOWN[LISTS[name]]
        values[name] = [known[int(number) % len(known)] for number in values[name] or ()]


def with_possible_texts(message: dict[str, Any]) -> None:
    """Give a message an addressee, languages that are some, and texts that stay short enough when they are filled."""
    if not (message.get("toUserId") or message.get("toGroupId")):
        message["toUserId"] = KNOWN["users"][:1]
    translations = message.get("translations") or {}
    if translations:
        message["translations"] = dict(zip(LANGUAGES, translations.values(), strict=False))
    longest = max(map(len, message.get("parameters") or [""]))
    if any(len(text) + text.count("{") * longest > MAX_TEXT for text in (message["message"], *translations.values())):
        del message["parameters"]


def with_possible_alarm(alarm: dict[str, Any]) -> None:
    if alarm.get("alarmTemplateID"):
        # Anybody else's is refused as a field that is wrong.
        alarm["alarmTemplateID"] = KNOWN["templates"][0]
        alarm.setdefault("alarmResources", {"allUsers": True})
    resources = alarm.setdefault("alarmResources", {})
    alarm.setdefault("message", "Fire")
    for name in ("users", "units"):
        if resources.get(name):
            resources[name] = KNOWN[name]
    if not (resources.get("users") or resources.get("units")):
        resources["allUsers"] = True
    # Unknown fields are ignored, but not these.
    for name in ("labels", "scenarios"):
        resources.pop(name, None)
    year = datetime.now(UTC).year
    if (alarm.get("startTime") or "")[:4] >= str(year):
        del alarm["startTime"]
    if (alarm.get("scheduledEndTime") or "9999")[:4] <= str(year):
        del alarm["scheduledEndTime"]


def with_possible_times(absence: dict[str, Any]) -> None:
    for name in SPANS.keys() & absence.keys():
        minutes = timedelta(minutes=number_of(name, absence[name]) % 300)
        absence[name] = (START + SPANS[name] + minutes).isoformat().replace("+00:00", "Z")


def with_possible_address(device: dict[str, Any]) -> None:
    """Give a device that is added an address of its way."""
    if device["way"] in ADDRESSES:
        device["address"] = ADDRESSES[device["way"]](number_of("address", device["address"]) % 10**6)


def with_words(answer: dict[str, Any]) -> None:
    """Say what is understood, in two of three."""
    for name in WORDS.keys() & answer.keys():
        if which := number_of(name, answer[name]) % 3:
            answer[name] = WORDS[name][which - 1]


def with_possible_answer(answer: dict[str, Any]) -> None:
    if not (answer.get("alarmID") or answer.get("organizationID")):
        answer["alarmID"] = KNOWN["alarms"][0]


def with_url(hook: dict[str, Any]) -> None:
    if "url" in hook:
        hook["url"] = URL


POSSIBLE: dict[str, Callable[[dict[str, Any]], None]] = {
    "/alarm": with_possible_alarm,
    "/alarm/preview": with_possible_alarm,
    "/availability": with_possible_times,
    "/availability/{id}": with_possible_times,
    "/device": with_possible_address,
    "/hooks": with_url,
    "/hooks/{hookID}": with_url,
    "/messaging/feedback": with_possible_answer,
    "/msg/send": with_possible_texts,
}


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    # What one request has made, the next of its scenario asks for: it must be that which is not there if it is not.
    is_scenario = case.meta.phase.name == TestPhase.STATEFUL
    if not is_scenario:
        with_known(case.path_parameters or {}, KINDS | {"id": OF_PATHS.get(case.path.split("/")[1], "")})
        with_known(case.query or {})
    if isinstance(case.body, list):
        # Each way once.
        case.body[:] = {entry["way"]: entry for entry in case.body}.values()
    if isinstance(case.body, dict):
        with_known(case.body, always=is_scenario)
        with_known_lists(case.body)
        with_words(case.body)
        POSSIBLE.get(case.path, lambda body: None)(case.body)
        # Of another, its way is not known, nor which addresses it takes.
        if case.path == "/device/{id}" and case.path_parameters["id"] not in KNOWN["devices"]:
            case.body.pop("address", None)


# How often which operation was asked for in which phase, and what was answered.
COUNTS = Counter[tuple[str, str, int]]()


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    phase = case.meta.phase.name.value if case.meta else "probe"
    COUNTS[case.operation.label, phase, response.status_code] += 1


@atexit.register
def write_counts() -> None:
    with open(os.environ["COUNTS"], "w") as file:
        json.dump([[*key, count] for key, count in COUNTS.items()], file)


class Signature(requests.auth.AuthBase):
    """Signs what is sent in the end, whatever it is."""

    def __init__(self, sign: Callable[[str, bytes], dict[str, str]]) -> None:
        self._sign = sign

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        body = request.body or b""
        request.headers.update(self._sign(request.url or "", body.encode() if isinstance(body, str) else body))
        return request


def as_gateway(_url: str, body: bytes) -> dict[str, str]:
    return signing.of_gateway(body, os.environ["SECRET"])


def as_twilio(url: str, body: bytes) -> dict[str, str]:
    # Twilio asks what it was told, in which nothing is escaped.
    parts = urlsplit(url)
    return signing.of_twilio(parts._replace(path=unquote(parts.path)).geturl(), body, os.environ["SECRET"])


if os.environ["PRINCIPAL"] in {"gateway", "twilio"}:
    schemathesis.auth.set_from_requests(Signature(as_gateway if os.environ["PRINCIPAL"] == "gateway" else as_twilio))


@schemathesis.check
def nothing_of_another_organization(context: Any, response: Any, case: Any) -> None:
    """Fail for an answer that holds something of the organization that the caller has nothing to do with."""
    assert os.environ["FOREIGN_MARK"] not in response.text

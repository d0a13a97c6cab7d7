"""What schemathesis, a process of its own, cannot know: which ids there are, and rules that no schema can say.

Loaded by its command line (SCHEMATHESIS_HOOKS). Cases of invalid data are left as they are.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import Any

import schemathesis
from schemathesis.generation.meta import TestPhase

IDS: dict[str, list[int]] = json.loads(os.environ["KNOWN_IDS"])
KINDS = {
    "organizationID": "organizations",
    "organization_id": "organizations",
    "organization": "organizations",
    "userID": "users",
    "user_id": "users",
    "alarmID": "alarms",
    "alarm_id": "alarms",
    "id": "messages",
    "before": "messages",
}
LISTS = {"toUserId": "users", "toGroupId": "units", "messages": "messages"}
# As the last, the published sample's.
LANGUAGES = ("de", "fr", "pt_BR", "property1")
MAX_TEXT = 10_000


def with_known_ids(values: dict[str, Any]) -> None:
    """Replace ids, by what was generated, so that a seed repeats its run; one of five stays: nobody's."""
    for name in KINDS.keys() & {name for name, value in values.items() if value != ""}:
        if number := int(values[name]) % 5 and int(values[name]):
            values[name] = IDS[KINDS[name]][number % len(IDS[KINDS[name]])]


def with_known_lists(values: dict[str, Any]) -> None:
    """Replace each id of a list, by what was generated."""
    for name in LISTS.keys() & values.keys():
        known = IDS[LISTS[name]]
        values[name] = [known[int(number) % len(known)] for number in values[name] or ()]


def with_possible_texts(message: dict[str, Any]) -> None:
    """Give a message an addressee, languages that are some, and texts that stay short enough when they are filled."""
    if not (message.get("toUserId") or message.get("toGroupId")):
        message["toUserId"] = IDS["users"][:1]
    translations = message.get("translations") or {}
    if translations:
        message["translations"] = dict(zip(LANGUAGES, translations.values(), strict=False))
    longest = max(map(len, message.get("parameters") or [""]))
    if any(len(text) + text.count("{") * longest > MAX_TEXT for text in (message["message"], *translations.values())):
        del message["parameters"]


def with_possible_resources(resources: dict[str, Any]) -> None:
    for name in ("users", "units"):
        if resources.get(name):
            resources[name] = IDS[name]
    if not (resources.get("users") or resources.get("units")):
        resources["allUsers"] = True
    # Unknown fields are ignored, but not these.
    for name in ("labels", "scenarios"):
        resources.pop(name, None)


def with_possible_times(alarm: dict[str, Any]) -> None:
    year = datetime.now(UTC).year
    if (alarm.get("startTime") or "")[:4] >= str(year):
        del alarm["startTime"]
    if (alarm.get("scheduledEndTime") or "9999")[:4] <= str(year):
        del alarm["scheduledEndTime"]


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    # What one request has made, the next of its scenario asks for.
    if case.meta.phase.name != TestPhase.STATEFUL:
        with_known_ids(case.path_parameters or {})
        with_known_ids(case.query or {})
    if not isinstance(case.body, dict):
        return
    with_known_ids(case.body)
    with_known_lists(case.body)
    if "response" in case.body and not (case.body.get("alarmID") or case.body.get("organizationID")):
        case.body["alarmID"] = IDS["alarms"][0]
    if "alarmResources" in case.body:
        with_possible_resources(case.body["alarmResources"])
        with_possible_times(case.body)
    if case.path == "/msg/send":
        with_possible_texts(case.body)


@schemathesis.check
def nothing_of_another_organization(context: Any, response: Any, case: Any) -> None:
    """Fail for an answer that holds something of the organization that the caller has nothing to do with."""
    assert os.environ["FOREIGN_MARK"] not in response.text

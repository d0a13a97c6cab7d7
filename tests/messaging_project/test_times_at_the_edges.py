"""Times at the edges of the calendar, and texts that nearly are times, wherever the API takes one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from hypothesis import example, given
from hypothesis import strategies as st
from rest_framework.test import APIClient

from alarms.models import Alarm
from organizations.models import Organization, User
from tests import factories
from tests.dialect import refused
from tests.examples import examples
from tests.messaging_project.asking import undone
from tests.messaging_project.desk_world import logged_in
from tests.messaging_project.writes import World

pytestmark = pytest.mark.django_db

LATER = "2098-12-31T23:00:00Z"
# Every field that is a time: the operation, and what else it is asked with.
FIELDS: dict[tuple[str, str], dict[str, Any]] = {
    ("RaiseAlarm", "startTime"): {},
    ("RaiseAlarm", "scheduledEndTime"): {},
    ("AddAbsence", "from"): {"until": LATER},
    ("AddAbsence", "until"): {"from": LATER},
    ("ChangeAbsence", "from"): {},
    ("ChangeAbsence", "until"): {},
    ("GiveReceipt", "date"): {},
}
NO_TIMES = [
    *("0000-01-01T00:00:00Z", "-001-01-01T00:00:00Z", "-0001-01-01T00:00:00Z", "10000-01-01T00:00:00Z"),
    *("+002030-01-01T00:00:00Z", "99999999999999-01-01T00:00:00Z", "2030-00-01T00:00:00Z", "2030-13-01T00:00:00Z"),
    *("2030-01-00T00:00:00Z", "2030-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2030-04-31T00:00:00Z"),
    # There was a leap second; no clock of ours shows one, and to guess which second was meant is no use.
    *("2016-12-31T23:59:60Z", "2017-01-01T00:59:60+01:00", "2030-01-01T24:00:00Z", "2030-01-01T23:60:00Z"),
    *("2030-01-01T00:00Z", "2030-01-01T00Z", "2030-01-01", "20300101T000000Z", "2030-W01-1T00:00:00Z", "2030-001"),
    *("2030-01-01T00:00:00", "2030-01-01T00:00:00 ", "2030-01-01T00:00:00z ", " 2030-01-01T00:00:00Z", "T00:00:00Z"),
    *("2030-01-01T00:00:00.Z", "2030-01-01T00:00:00,5Z", "2030-01-01T00:00:00+1:00", "2030-01-01T00:00:00+0100"),
    *("2030-01-01T00:00:00+01", "2030-01-01T00:00:00+24:00", "2030-01-01T00:00:00-99:99", "2030-01-01T00:00:00+00:60"),
    *("2030-01-01T00:00:00ZZ", "2030-01-01T00:00:00UTC", "2030-01-01T00:00:00 Europe/Berlin", "now", "0", "1e400"),
    *("٢٠٣٠-01-01T00:00:00Z", "2030-01-01T00:00:00\u221201:00", "2030-01-01T00:00:00Z\n", "2030-01-01T00:00:00\x00Z"),
    # Times of which there is none in UTC.
    *(
        "0001-01-01T00:00:00+00:01",
        "0001-01-01T13:59:59+14:00",
        "9999-12-31T23:59:59-00:01",
        "9999-12-31T10:00:00-14:00",
    ),
]
TIMES = [
    *("0001-01-01T00:00:00Z", "0001-01-01T14:00:00+14:00", "0001-01-01T00:00:00-23:59", "1582-10-10T00:00:00Z"),
    *("1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z", "2000-02-29T00:00:00Z", "2016-12-31T23:59:59Z"),
    # One that clocks skip, and one that they show twice, where the offset says which.
    *("2030-03-31T02:30:00+01:00", "2030-10-27T02:30:00+02:00", "2030-10-27T02:30:00+01:00"),
    *("2038-01-19T03:14:08Z", "2262-04-11T23:47:17Z", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999999Z"),
    *("9999-12-31T23:59:59+14:00", "2030-01-01t00:00:00z", "2030-01-01 00:00:00Z", "2030-01-01T00:00:00-00:00"),
    *("2030-01-01T00:00:00.5Z", "2030-01-01T00:00:00.1234567890123456789Z", "2030-01-01T00:00:00+23:59"),
    *("2030-01-01T00:00:00-12:00", "2030-01-01T00:00:00+05:45"),
]


@pytest.fixture
def world(as_user: Callable[[User], APIClient]) -> World:
    return World(as_user)


def ask(world: World, operation: str, field: str, text: str) -> Any:
    with undone():
        return world.write(operation, world.body(operation, **FIELDS[operation, field] | {field: text}))


def is_no_time(answer: Any, field: str) -> bool:
    return answer.status_code == 400 and refused(answer, 400, f"{field}: ") and is_about_the_form(answer)


def is_about_the_form(answer: Any) -> bool:
    return any(word in answer.json()["error"] for word in ("RFC 3339", "out of range", "Null characters"))


def test_what_is_no_time_is_refused_by_name_and_what_is_one_by_what_is_wrong_with_it(world: World) -> None:
    for operation, field in FIELDS:
        for text in NO_TIMES:
            assert is_no_time(ask(world, operation, field, text), field), (operation, field, text)
        for text in TIMES:
            answer = ask(world, operation, field, text)
            told = (operation, field, text, answer.content)
            assert answer.status_code in (200, 201, 400), told
            assert answer.status_code < 400 or not is_about_the_form(answer), told


def read(text: str) -> datetime | None:
    """Return the moment that a text of this form is, by the calendar alone; None: none."""
    date, time, fraction, sign, hours, minutes = (
        *(text[:10], text[11:19]),
        *(text[19:].rstrip("Zz").partition("+")[0].partition("-")[0], text[-6], text[-5:-3], text[-2:]),
    )
    offset = timedelta()
    if text[-1] not in "Zz":
        if int(hours) > 23 or int(minutes) > 59:
            return None
        offset = timedelta(hours=int(hours), minutes=int(minutes)) * (1 if sign == "+" else -1)
    try:
        moment = datetime.strptime(f"{date} {time}", "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
        return moment + timedelta(microseconds=int(fraction[1:7].ljust(6, "0"))) - offset
    except (ValueError, OverflowError):
        return None


def two(highest: int) -> st.SearchStrategy[str]:
    return st.integers(0, highest).map("{:02}".format)


YEARS = st.sampled_from(["0000", "0001", "1582", "1969", "2000", "2023", "2100", "9999"]) | st.integers(0, 9999).map(
    "{:04}".format
)
OFFSETS = st.sampled_from(["Z", "z"]) | st.builds("{}{}:{}".format, st.sampled_from("+-"), two(26), two(62))
FRACTIONS = st.just("") | st.from_regex(r"\.[0-9]{1,20}", fullmatch=True)
TEXTS = st.builds(
    "{}-{}-{}{}{}:{}:{}{}{}".format,
    *(YEARS, two(13), two(32), st.sampled_from("Tt "), two(25), two(61), two(61), FRACTIONS, OFFSETS),
)


@examples(25)
@given(text=TEXTS)
@example(text="0001-01-01T00:00:00.000001Z")
@example(text="2016-12-31T23:59:60Z")
@example(text="2000-01-01T00:00:00+00:60")
def test_an_alarm_starts_at_whatever_is_a_time(world: World, text: str) -> None:
    moment, now = read(text), timezone.now()
    answer = ask(world, "RaiseAlarm", "startTime", text)
    if moment is None:
        assert is_no_time(answer, "startTime"), answer.content
    elif moment > now + timedelta(days=366):
        assert refused(answer, 400, "startTime: ")
        assert not is_about_the_form(answer), answer.content
    else:
        assert answer.status_code == 201, answer.content
        started = datetime.fromisoformat(answer.json()["startDate"])
        # In the past: at once.
        assert started == moment if moment > now + timedelta(minutes=1) else started >= now


@examples(12)
@given(text=st.text(max_size=30) | st.text("0123456789-+:.TZtz ", max_size=32))
def test_whatever_is_written_for_a_time_it_is_taken_or_refused(world: World, text: str) -> None:
    for operation, field in FIELDS:
        answer = ask(world, operation, field, text)
        # Of two times that do not fit together, the later is wrong.
        named = "until: " if field == "from" and b"until: " in answer.content else f"{field}: "
        assert answer.status_code in (200, 201) or refused(answer, 400, named)


# An end that is further away than any calendar of the east knows, and zones at the edges of the day.
ZONES = ("UTC", "Pacific/Kiritimati", "Etc/GMT+12", "Asia/Kolkata")


@pytest.mark.parametrize("time_zone", ZONES)
def test_the_last_second_of_all_is_an_end_in_every_zone(
    time_zone: str, as_user: Callable[[User], APIClient], jobs: Any
) -> None:
    organization: Organization = factories.OrganizationFactory(time_zone=time_zone)
    boss = factories.admin(organization, is_staff=True)
    factories.DeviceFactory(user=boss)
    client, desk = as_user(boss), logged_in(boss)
    body = {"organizationID": organization.pk, "message": "Fire", "alarmResources": {"allUsers": True}}
    for times in ({}, {"startTime": "0001-01-01T00:00:00Z"}, {"startTime": in_an_hour()}):
        answer = client.post(
            "/api/v1/alarm", body | times | {"scheduledEndTime": "9999-12-31T23:59:59Z"}, format="json"
        )
        assert answer.status_code == 201, answer.content
        alarm = Alarm.objects.get(pk=answer.json()["id"])
        alarm.response_timeout = 86_400
        alarm.save(update_fields=["response_timeout"])
        assert client.get(f"/api/v1/alarm/{alarm.pk}").status_code == 200
        assert_shown(desk, alarm)


def in_an_hour() -> str:
    return (timezone.now() + timedelta(hours=1)).isoformat()


def assert_shown(desk: Client, alarm: Alarm) -> None:
    addresses = ("", f"{alarm.pk}/change/", f"{alarm.pk}/timeline/", f"{alarm.pk}/history/")
    for address in ("/admin/", *(f"/admin/alarms/alarm/{each}" for each in addresses)):
        answer = desk.get(address)
        assert answer.status_code in (200, 302, 404), (address, answer.content[:500])
    for recipient in alarm.alarm_messages.all():
        assert desk.get(f"/a/{recipient.code}").status_code == 200

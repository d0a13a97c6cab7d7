"""What was planned for the gateways of an organization follows when these change (alarms.upkeep)."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from alarms import upkeep
from alarms.delivery import Delivery
from alarms.gateways import owned
from alarms.gateways.base import GatewayError
from alarms.models import DeviceMessage
from alarms.sending import lines
from alarms.sending.claim import Pool, claim
from alarms.sending.lines import Lines
from alarms.sending.outcomes import Result
from alarms.sending.results import write
from organizations.models import Organization
from tests import factories
from tests.factories import take_back
from tests.processes import until
from tests.sinks import HttpSink

pytestmark = pytest.mark.django_db

SCHEDULED, SENDING, SENT, DELIVERED, FAILED, CANCELLED = range(6)
BUSY = GatewayError("HTTP 503", permanent=False)
REFUSED = GatewayError("HTTP 400", permanent=True)
URLS = [f"https://gateway{number}.example/sms" for number in range(3)]


@pytest.fixture(autouse=True)
def gateways(settings: Any) -> None:
    settings.GATEWAYS = settings.GATEWAYS | {"sms": ["http://service.example/first", "http://service.example/second"]}


def message(organization: Organization, **fields: Any) -> DeviceMessage:
    """Return a message of a minute ago that was planned for an organization's own gateways."""
    fields = {"gateways_of": organization.pk, "way": "sms"} | fields
    if "alarm_message" not in fields:
        begun = timezone.now() - timedelta(minutes=1)
        alarm = factories.AlarmFactory(organization=organization, starts_at=begun)
        fields["alarm_message"] = factories.AlarmMessageFactory(alarm=alarm)
    created: DeviceMessage = factories.DeviceMessageFactory(**fields)
    return created


def place(message: DeviceMessage) -> tuple[int, int, int]:
    """Return whose gateways it goes over, which of them, and which have refused it."""
    message.refresh_from_db()
    return message.gateways_of, message.gateway, message.refused


def test_what_waits_for_gateways_that_were_taken_back_begins_with_the_services_first(
    brigade: Organization, now: datetime
) -> None:
    owned.bring(organization=brigade, way="sms", urls=" ".join(URLS))
    due = [message(brigade), message(brigade, gateway=2, refused=0b011, attempts=2)]
    later = message(brigade, due_at=now + timedelta(hours=1))
    before = {each.pk: each.due_at for each in [*due, later]}
    upkeep.follow_gateways()
    assert [place(each) for each in due] == [(brigade.pk, 0, 0), (brigade.pk, 2, 0b011)]
    take_back(brigade)
    upkeep.follow_gateways()
    for each in [*due, later]:
        assert place(each) == (0, 0, 0)
        assert (each.status, each.due_at) == (SCHEDULED, before[each.pk])
    claimed = claim(sender_id=1, free={("sms", 0, 0): 10}).deliveries
    assert {delivery.device_message_id for delivery in claimed} == {each.pk for each in due}


def test_only_that_way_of_that_organization_is_concerned(brigade: Organization) -> None:
    other = factories.OrganizationFactory()
    for organization, way in ((brigade, "sms"), (brigade, "call"), (other, "sms")):
        owned.bring(organization=organization, way=way, urls=" ".join(URLS))
    untouched = {
        message(brigade, way="call", gateway=1): (brigade.pk, 1, 0),
        message(other, gateway=2, refused=1): (other.pk, 2, 1),
        message(brigade, gateways_of=0, gateway=1, refused=1): (0, 1, 1),
        message(brigade, status=SENDING, attempts=1): (brigade.pk, 0, 0),
        message(brigade, status=SENT, attempts=1, gateway=1): (brigade.pk, 1, 0),
    }
    take_back(brigade)
    upkeep.follow_gateways()
    assert {each: place(each) for each in untouched} == untouched


@pytest.mark.parametrize(
    ("gateway", "expected"), [(0, (0, 0b110)), (1, (1, 0b110)), (2, (0, 0))], ids=["first", "second", "third"]
)
def test_where_fewer_are_left_what_waited_for_the_last_begins_anew(
    brigade: Organization, gateway: int, expected: tuple[int, int]
) -> None:
    owned.bring(organization=brigade, way="sms", urls=" ".join(URLS))
    waiting = message(brigade, gateway=gateway, refused=0b110)
    owned.bring(organization=brigade, way="sms", urls=" ".join(URLS[:2]))
    upkeep.follow_gateways()
    assert place(waiting) == (brigade.pk, *expected)


def test_where_the_service_has_none_what_is_due_fails_and_the_next_turn_moves_up(
    brigade: Organization, settings: Any, now: datetime
) -> None:
    settings.GATEWAYS = settings.GATEWAYS | {"sms": []}
    owned.bring(organization=brigade, way="sms", urls=URLS[0])
    due = message(brigade, due_at=now - timedelta(seconds=1))
    call = message(
        brigade, alarm_message=due.alarm_message, way="call", turn=1, gateways_of=0, due_at=now + timedelta(minutes=5)
    )
    upkeep.follow_gateways()
    assert place(due) == (brigade.pk, 0, 0)
    assert due.status == SCHEDULED
    take_back(brigade)
    upkeep.follow_gateways()
    for each in (due, call):
        each.refresh_from_db()
    assert (due.status, due.reason) == (FAILED, "its way has no gateway any more")
    assert call.status == SCHEDULED
    assert call.due_at < now + timedelta(minutes=1)


@pytest.mark.parametrize("error", [BUSY, REFUSED], ids=["busy", "refused"])
def test_what_was_on_the_wire_when_they_were_taken_back_is_not_lost(
    brigade: Organization, now: datetime, error: GatewayError
) -> None:
    owned.bring(organization=brigade, way="sms", urls=" ".join(URLS))
    waiting = message(brigade)
    [delivery] = claim(sender_id=1, free={("sms", brigade.pk, 0): 1}).deliveries
    take_back(brigade)
    write([Result(delivery, "gateway0.example", at=now, error=error)], gateways={("sms", 0): 2})
    upkeep.follow_gateways()
    assert place(waiting) == (0, 0, 0)
    assert waiting.status == SCHEDULED


# The lines of a sender


@pytest.fixture
def results() -> deque[Result]:
    return deque()


@pytest.fixture
def sender_lines(results: deque[Result], settings: Any) -> Iterator[Lines]:
    settings.GATEWAYS = {way: [] for way in settings.GATEWAYS} | {"call": ["log:"]}
    found = Lines(results.append)
    yield found
    found.close()


def test_the_lines_follow_and_what_stays_the_same_is_left_alone(brigade: Organization, sender_lines: Lines) -> None:
    def pools() -> dict[Pool, str]:
        return {pool: outlet.gateway.url for pool, outlet in sender_lines.outlets.items()}

    ours: dict[Pool, str] = {("call", 0, 0): "log:"}
    assert sender_lines.refresh() == []
    assert (pools(), sender_lines.sizes) == (ours, {("call", 0): 1})
    own: list[Pool] = [("sms", brigade.pk, number) for number in range(3)]
    owned.bring(organization=brigade, way="sms", urls=" ".join(URLS))
    assert sender_lines.refresh() == []
    assert pools() == ours | dict(zip(own, URLS, strict=True))
    first = sender_lines.outlets[own[0]]
    owned.bring(organization=brigade, way="sms", urls=f"{URLS[0]} {URLS[2]}")
    assert set(own[1:]) <= set(sender_lines.refresh())
    assert pools() == ours | {own[0]: URLS[0], own[1]: URLS[2]}
    assert sender_lines.outlets[own[0]].gateway.url == first.gateway.url
    assert sender_lines.sizes == {("call", 0): 1, ("sms", brigade.pk): 2}
    take_back(brigade)
    assert set(sender_lines.refresh()) == set(own[:2])
    assert pools() == ours


@pytest.mark.parametrize("again", ["by another", "by the same"])
def test_where_gateways_that_were_taken_back_are_closed_others_with_the_same_url_go_on(
    brigade: Organization,
    sender_lines: Lines,
    results: deque[Result],
    http_sink: HttpSink,
    monkeypatch: pytest.MonkeyPatch,
    again: str,
) -> None:
    other = factories.OrganizationFactory() if again == "by another" else brigade
    url = f"{http_sink.url}/shared"
    owned.bring(organization=brigade, way="sms", urls=url)
    sender_lines.refresh()
    take_back(brigade)
    sender_lines.refresh()
    owned.bring(organization=other, way="sms", urls=url)
    sender_lines.refresh()
    http_sink.delay = 2.0
    message(other)
    pool: Pool = ("sms", other.pk, 0)
    deliveries: list[Delivery] = claim(sender_id=1, free={pool: 1}).deliveries
    sender_lines.outlets[pool].submit(deliveries, time.monotonic())
    until(lambda: http_sink.posts)
    # A minute later.
    monkeypatch.setattr(lines, "RETIRED_FOR", -1.0)
    sender_lines.refresh()
    until(lambda: results)
    [result] = results
    assert result.error is None
    assert len(http_sink.posts) == 1


def test_the_lines_cost_one_query_however_many_organizations_bring_some(
    sender_lines: Lines, django_assert_num_queries: Any
) -> None:
    for count in (1, 50):
        for _ in range(count):
            owned.bring(organization=factories.OrganizationFactory(), way="sms", urls=URLS[0])
        with django_assert_num_queries(1):
            # Those of all organizations.
            sender_lines.refresh()

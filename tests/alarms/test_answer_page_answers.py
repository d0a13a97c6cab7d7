"""Answering on the answer page: what is kept, what it takes, and what comes with each answer."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from alarms.models import AlarmMessage, DeviceMessage, Feedback
from tests.alarms.test_answer_page import TEXTS, UNKNOWN, history, recipient, text, too_late, update, url
from tests.factories import AlarmFactory, AlarmMessageFactory, DeviceMessageFactory

pytestmark = pytest.mark.django_db

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Robots-Tag": "noindex, nofollow",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@pytest.mark.parametrize(("value", "response"), [("yes", True), ("no", False)])
def test_an_answer_is_kept_and_ends_the_escalation_and_the_page_says_thank_you(
    client: Client, value: str, response: bool
) -> None:
    whose = recipient()
    elsewhere = AlarmMessageFactory(alarm=AlarmFactory(organization=whose.alarm.organization), user=whose.user)
    messages = [DeviceMessageFactory(alarm_message=each) for each in (whose, elsewhere)]
    answer = client.post(url(whose), {"response": value})
    assert answer.status_code == 303
    shown = client.get(answer["Location"])
    assert shown.status_code == 200
    assert f"Thank you! You said: {TEXTS['en'][value]}" in text(shown)
    whose.refresh_from_db()
    assert whose.response is response
    kept = Feedback.objects.get()
    assert (kept.alarm_message, kept.response, kept.source) == (whose, response, "answer page")
    for message in messages:
        message.refresh_from_db()
    assert [message.status for message in messages] == [
        DeviceMessage.Status.CANCELLED,
        DeviceMessage.Status.SCHEDULED,
    ]
    assert AlarmMessage.objects.exclude(response=None).get() == whose


def test_an_answer_can_be_changed_and_repeated(client: Client) -> None:
    whose = recipient()
    for value in ("yes", "yes", "no", "yes"):
        assert client.post(url(whose), {"response": value}).status_code == 303
    assert history(whose) == [True, False, True]
    # A button may be pressed twice, or an answer get lost on its way back: that is no reason to be told of lateness.
    too_late(whose)
    assert client.post(url(whose), {"response": "yes"}).status_code == 303
    assert client.post(url(whose), {"response": "no"}).status_code == 409
    assert history(whose) == [True, False, True]


def test_looking_at_the_page_changes_nothing(client: Client) -> None:
    whose = recipient()
    message = DeviceMessageFactory(alarm_message=whose)
    before = AlarmMessage.objects.filter(pk=whose.pk).values().get()
    for address in (url(whose), f"{url(whose)}?response=yes"):
        assert client.get(address).status_code == 200
        answer = client.head(address)
        assert (answer.status_code, answer.content) == (200, b"")
    assert AlarmMessage.objects.filter(pk=whose.pk).values().get() == before
    message.refresh_from_db()
    assert message.status == DeviceMessage.Status.SCHEDULED
    assert not Feedback.objects.exists()


def test_a_page_takes_at_most_3_queries_and_an_answer_at_most_6(client: Client) -> None:
    whose, late = recipient(), recipient(response=True)
    too_late(late)
    # guesses of the address; the recipient with alarm, organization and user; for the late, whether others can answer
    for each, count in ((whose, 2), (late, 3)):
        with CaptureQueriesContext(connection) as queries:
            assert client.get(url(each)).status_code == 200
        assert len(queries) == count
    # the same two; two of a savepoint, the recipient locked, the answer (with messages, history and whether a hook is
    # told)
    with CaptureQueriesContext(connection) as queries:
        assert client.post(url(whose), {"response": "yes"}).status_code == 303
    assert len(queries) <= 6


def test_every_answer_of_the_page_has_its_headers_and_none_a_cookie(client: Client) -> None:
    over, whose = recipient(), recipient()
    update(over.alarm, closed_at=timezone.now())
    answers = {
        200: client.get(url(whose)),
        400: client.post(url(whose), {}),
        303: client.post(url(whose), {"response": "yes"}),
        404: client.get(UNKNOWN),
        405: client.put(url(whose)),
        410: client.get(url(over)),
    }
    too_late(whose)
    answers[409] = client.post(url(whose), {"response": "no"})
    update(whose.alarm.organization, time_zone="Mars/Olympus_Mons")
    answers[500] = client.get(url(whose))
    for _ in range(11):
        answers[429] = client.get(UNKNOWN)
    for status, answer in answers.items():
        assert answer.status_code == status
        assert {name: answer[name] for name in HEADERS} == HEADERS
        assert not answer.cookies
        assert "Cookie" not in answer.get("Vary", "")

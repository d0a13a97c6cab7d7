"""What a misbehaving gateway does to the message it got, and does not do to the others (contract 7)."""

from __future__ import annotations

import pytest

from alarms.models import DeviceMessage
from organizations.models import Organization, User
from tests import factories
from tests.client import Client
from tests.processes import Processes, until
from tests.sinks import Behaviour, HttpSink, MailSink, answers, closes_first, hangs_first

SENT, FAILED = DeviceMessage.Status.SENT, DeviceMessage.Status.FAILED


def person(organization: Organization, address: str, *more: tuple[str, str]) -> User:
    """Return a member with an app device at `address`, and others after it."""
    user = factories.member(organization)
    for way, to in (("app", address), *more):
        factories.DeviceFactory(user=user, way=way, address=to)
    return user


def message(address: str) -> DeviceMessage:
    return DeviceMessage.objects.get(address=address)


def final(address: str) -> DeviceMessage | None:
    """Return a message that has come to its end."""
    return DeviceMessage.objects.filter(address=address, status__in=(SENT, FAILED)).first()


@pytest.fixture
def organization(processes: Processes) -> Organization:
    return factories.OrganizationFactory()


# No connection is kept: over one that was, what is closed is asked for again at once, within the same attempt.
ONCE = {"Connection": "close"}
TEMPORARY: dict[str, tuple[Behaviour, float, float]] = {
    # What happens at first, and the least and most seconds until the next attempt.
    "500": (answers(500, 200, **ONCE), 5.0, 6.5),
    "408": (answers(408, 200, **ONCE), 5.0, 6.5),
    "425": (answers(425, 200, **ONCE), 5.0, 6.5),
    "429 with Retry-After 8": (answers(429, 200, **ONCE, **{"Retry-After": "8"}), 8.0, 10.0),
    "closes": (closes_first, 5.0, 6.5),
    # The attempt itself is given up after 10 s.
    "hangs": (hangs_first, 15.0, 17.5),
}
PERMANENT = {
    "404": answers(404, **ONCE),
    "400": answers(400, **ONCE),
    "301": answers(301, **ONCE, Location="/elsewhere"),
    "410": answers(410, **ONCE),
}


def test_what_may_pass_is_tried_again_and_what_is_for_good_is_not(
    processes: Processes, http_sink: HttpSink, organization: Organization
) -> None:
    for name, (behaviour, _least, _most) in TEMPORARY.items():
        http_sink.behaviours[name] = behaviour
        person(organization, name)
    for name, behaviour in PERMANENT.items():
        http_sink.behaviours[name] = behaviour
        person(organization, name)
    for number in range(100):
        http_sink.behaviours[f"fine-{number}"] = answers(200, **ONCE)
        person(organization, f"fine-{number}")
    processes.start_all()
    client = Client(processes.url, organization)
    client.raise_alarm(organization)
    until(lambda: all(final(f"fine-{number}") for number in range(100)), seconds=60)
    assert message("hangs").status == DeviceMessage.Status.SENDING, "the others have waited for the one that hangs"

    for name in PERMANENT:
        failed = until(lambda name=name: final(name))
        assert (failed.status, failed.attempts, failed.reason) == (FAILED, 1, f"HTTP {name}")
    for name, (_behaviour, least, _most) in TEMPORARY.items():
        sent = until(lambda name=name: final(name), what=f"{name} is sent")
        first, second = http_sink.of(name)
        assert (sent.status, sent.attempts) == (SENT, 2), name
        assert second.at - first.at >= least, name
        assert first.key == second.key
        assert (first.json["attempt"], second.json["attempt"]) == (1, 2)
    assert all(len(http_sink.of(name)) == 1 for name in PERMANENT), "what failed for good was tried again"
    assert all(len(http_sink.of(f"fine-{number}")) == 1 for number in range(100))


def test_the_next_turn_is_due_at_once_when_all_of_a_turn_has_failed_for_good(
    processes: Processes, http_sink: HttpSink, mail_sink: MailSink, organization: Organization
) -> None:
    http_sink.behaviours["gone"] = answers(404)
    mail_sink.refused["nobody@example.org"] = "550 No such user"
    user = person(organization, "gone", ("email", "nobody@example.org"), ("sms", "+49151"), ("call", "+4930"))
    factories.escalation(user, ("app", 0), ("email", 0), ("sms", 3600), ("call", 3))
    processes.start_all()
    client = Client(processes.url, organization)
    client.raise_alarm(organization)
    until(lambda: final("+4930"), what="the call, an hour early")
    sms, call = message("+49151"), message("+4930")
    assert (call.due_at - sms.due_at).total_seconds() == 3.0
    assert http_sink.of("+4930")[0].at >= call.due_at.timestamp()
    assert message("nobody@example.org").reason == "recipient refused: SMTP 550"
    assert message("gone").reason == "HTTP 404"


def test_a_mail_server_that_is_down_at_first_gets_the_message_later(
    processes: Processes, mail_sink: MailSink, organization: Organization
) -> None:
    factories.DeviceFactory(user=factories.member(organization), way="email", address="late@example.org")
    mail_sink.refused["late@example.org"] = "451 Try again later"
    processes.start_all()
    Client(processes.url, organization).raise_alarm(organization)
    tried = until(lambda: DeviceMessage.objects.filter(attempts=1, status=0).first())
    assert tried.reason == "recipient refused: SMTP 451"
    mail_sink.refused.clear()
    sent = until(lambda: final("late@example.org"))
    assert (sent.status, sent.attempts) == (SENT, 2)
    assert [mail.to for mail in mail_sink.mails] == ["late@example.org"]


def test_many_mails_go_over_few_connections(
    processes: Processes, mail_sink: MailSink, organization: Organization
) -> None:
    for number in range(100):
        factories.DeviceFactory(user=factories.member(organization), way="email", address=f"p{number}@example.org")
    processes.start_all()
    Client(processes.url, organization).raise_alarm(organization)
    until(lambda: len(mail_sink.mails) == 100)
    keys = {mail.message["Message-ID"] for mail in mail_sink.mails}
    assert len(keys) == 100
    # One more was the controller's own, to see that it listens.
    assert mail_sink.connections <= 9

"""Copies by e-mail of what comes to an inbox (contract 6), against a real mail server."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from rest_framework.test import APIClient

from inbox.mailing import CopiesLeft, mail_copies
from organizations.models import Organization, User
from tests.factories import OrganizationFactory, member
from tests.inbox.test_mail_copies_by_a_worker import Server, text_of
from tests.sinks import refusing_port

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)

Post = Callable[..., None]


def somebody(**fields: Any) -> User:
    """A member of the only organization."""
    return member(Organization.objects.first() or OrganizationFactory(), **fields)


def reader(**fields: Any) -> User:
    """Somebody who wants copies."""
    return somebody(**{"inbox_to_email": True} | fields)


def work(later: timedelta = 0 * HOUR) -> None:
    """Do what a worker would now, or some time later."""
    for job in ProcrastinateJob.objects.order_by("pk"):
        assert job.task_name == "inbox.mail_copies"
        mail_copies(**job.args, now=timezone.now() + later)


@pytest.fixture
def server(settings: Any) -> Iterator[Server]:
    sink, settings.EMAIL_BACKEND = Server(), "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", sink.port
    yield sink
    sink.close()


@pytest.fixture
def three(db: None) -> list[User]:
    return [reader() for _ in range(3)]


@pytest.fixture
def post(as_user: Callable[[User], APIClient]) -> Post:
    """Sends a message to users over the API."""

    def send(*users: User, sender: User | None = None, **fields: Any) -> None:
        body = {"message": "Drill", "toUserId": [user.pk for user in users]} | fields
        answer = as_user(sender or somebody()).post("/api/v1/msg/send", body, format="json")
        assert answer.status_code == 201, answer.content

    return send


# Who gets one


@pytest.mark.parametrize(
    ("who", "copies"),
    [({}, 1), ({"inbox_to_email": False}, 0), ({"email": ""}, 0), ({"language": "tlh"}, 1)],
)
def test_a_copy_goes_to_who_wants_one(server: Server, post: Post, who: dict[str, Any], copies: int) -> None:
    users = [reader(**who), reader()]
    post(*users)
    work()
    assert server.counts(*users) == [copies, 1]
    assert len(server.mails) == copies + 1


@pytest.mark.parametrize(
    ("meanwhile", "copies"),
    [
        (lambda user: User.objects.filter(pk=user.pk).update(inbox_to_email=False), 0),
        (lambda user: User.objects.filter(pk=user.pk).update(is_active=False), 0),
        (lambda user: User.objects.filter(pk=user.pk).update(email=""), 0),
        (lambda user: user.inbox_messages.all().delete(), 0),
        (lambda user: user.inbox_messages.update(read_at=timezone.now()), 1),
    ],
    ids=["turned off", "deactivated", "without an address", "deleted", "read"],
)
def test_what_happens_before_a_copy_leaves_counts(
    server: Server, three: list[User], post: Post, meanwhile: Callable[[User], None], copies: int
) -> None:
    post(*three)
    meanwhile(three[1])
    work()
    assert server.counts(*three) == [1, copies, 1]
    assert len(server.mails) == 2 + copies


@pytest.mark.django_db(transaction=True)
def test_who_is_deactivated_while_copies_leave_gets_none(server: Server, three: list[User], post: Post) -> None:
    post(*three)
    with server.holding(three, work):
        waiting = next(user for user in three if user.email not in server.came)
        User.objects.filter(pk=waiting.pk).update(is_active=False)
    assert server.counts(*three) == [user != waiting for user in three]


def test_one_connection_takes_all_copies_and_there_is_none_without_copies(server: Server, post: Post) -> None:
    users = [reader() for _ in range(20)]
    before = server.connections
    post(somebody())
    work()
    assert server.connections == before
    post(*users)
    for _run in range(2):
        work()
    assert server.connections == before + 1
    assert server.counts(*users) == [1] * 20


# What it says


def test_each_gets_it_in_their_language_with_its_parameters(server: Server, post: Post) -> None:
    expected = {
        "en": "Drill on 1 May {1} {2}",
        "de-AT": "Übung am 1 May {1}, {0}",
        "fr": "Exercice le 1 May {1}",
        "tlh": "Drill on 1 May {1} {2}",
    }
    users = {language: reader(language=language) for language in expected}
    translations = {"de": "Übung am {0}, {1}", "fr": "Exercice le {0}"}
    post(*users.values(), message="Drill on {0} {2}", translations=translations, parameters=["1 May {1}", "{0}"])
    work()
    footers = {}
    for language, text in expected.items():
        (mail,) = server.of(users[language])
        assert mail.message["Subject"].endswith(text)
        assert text_of(mail).startswith(f"{text}\n")
        footers[language] = text_of(mail).removeprefix(text)
    assert footers["en"] == footers["tlh"] != footers["de-AT"]


@pytest.mark.parametrize(
    "text",
    [
        "Drill\r\nBcc: spy@example.com\r\n\r\nSomething else",
        "First line\nsecond line\x0b\x85\u2028third",
        "a\r\n.\r\nMAIL FROM:<spy@example.com>\r\n..\r\nFrom here on",
        "x" * 10_000,
        "👨‍👩‍👧" * 2000,
        "Übung " * 1600,
        "<b>Now</b> <script>alert(1)</script> &amp; %(name)s %s {0} {name}",
    ],
)
def test_a_text_comes_whole_and_plain_under_a_short_subject(server: Server, post: Post, text: str) -> None:
    user = reader()
    post(user, message=text)
    work()
    (mail,) = server.mails
    assert (mail.to, mail.message["To"], mail.message["Bcc"]) == (user.email, user.email, None)
    assert mail.message.get_content_type() == "text/plain"
    assert text_of(mail).startswith(text.replace("\r\n", "\n"))
    subject = mail.message["Subject"]
    assert len(subject) <= 200
    assert subject.splitlines() == [subject]
    assert text.split()[0][:20] in subject


@pytest.mark.parametrize(
    "name",
    [
        {"first_name": "Anna\r\nBcc: spy@example.com", "last_name": "\r\n\r\nSpy"},
        {"first_name": "%s %(name)s {0}", "last_name": "<i>Ä</i> 🚒"},
        {"first_name": "A" * 150, "last_name": "Ö" * 150},
        {"first_name": "", "last_name": ""},
    ],
)
def test_the_name_of_the_sender_is_a_name_and_nothing_else(server: Server, post: Post, name: dict[str, str]) -> None:
    sender, user = somebody(**name), reader()
    post(user, sender=sender)
    work()
    (mail,) = server.mails
    shown = name["first_name"] or sender.login
    assert text_of(mail).startswith("Drill\n")
    assert shown.replace("\r\n", "\n") in text_of(mail).removeprefix("Drill\n")
    assert shown.split()[0][:100] in mail.message["Subject"]
    assert len(mail.message["Subject"]) <= 200
    assert (mail.message["To"], mail.message["Bcc"]) == (user.email, None)


def test_an_answer_goes_to_the_sender_if_they_have_an_address(server: Server, post: Post, settings: Any) -> None:
    user = reader()
    for email in ("anna@müller.example", ""):
        post(user, sender=somebody(email=email))
    work()
    assert [mail.message["Reply-To"] for mail in server.mails] == ["anna@xn--mller-kva.example", None]
    for mail in server.mails:
        assert mail.message["Auto-Submitted"] == "auto-generated"
        assert mail.message["From"] == settings.DEFAULT_FROM_EMAIL


# What goes wrong


def test_what_came_unconfirmed_comes_again_under_its_message_id(server: Server, three: list[User], post: Post) -> None:
    post(*three)
    server.cut_after.add(three[1].email)
    with pytest.raises(CopiesLeft):
        work()
    server.cut_after.clear()
    work()
    assert server.counts(*three) == [1, 2, 1]
    assert len({mail.message["Message-ID"] for mail in server.mails}) == 3


def test_a_copy_that_is_refused_for_good_is_given_up_and_the_others_get_theirs(
    server: Server, three: list[User], post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    server.refused[three[0].email] = f"550 No such user: {three[0].email}"
    server.spoiled[three[1].email] = f"554 {three[1].email} does not want this"
    post(*three)
    with caplog.at_level(logging.INFO):
        work()
    for user, code in ((three[0], "550"), (three[1], "554")):
        number = user.inbox_messages.get().pk
        assert any(code in line and str(number) in line for line in caplog.messages)
        assert user.email not in caplog.text
    server.refused.clear()
    server.spoiled.clear()
    work()
    assert server.counts(*three) == [0, 0, 1]


@pytest.mark.parametrize("email", ["@", "a@b\nBcc: spy@example.com", "a@example.org, spy@example.com", "<@spy>"])
def test_what_is_no_address_is_given_up_and_the_others_get_theirs(
    server: Server, post: Post, email: str, caplog: pytest.LogCaptureFixture
) -> None:
    post(reader(email=email), reader(email="b@example.org"))
    work()
    assert [mail.to for mail in server.mails] == ["b@example.org"]
    assert "spy" not in caplog.text


@pytest.mark.parametrize("trouble", ["refused", "spoiled"])
def test_only_the_busy_mailbox_is_tried_again(server: Server, three: list[User], post: Post, trouble: str) -> None:
    getattr(server, trouble)[three[0].email] = "451 Try again later"
    post(*three)
    with pytest.raises(CopiesLeft):
        work()
    assert server.counts(*three) == [0, 1, 1]
    getattr(server, trouble).clear()
    for _run in range(2):
        work()
    assert server.counts(*three) == [1, 1, 1]


def test_the_rest_comes_next_time_where_the_server_hangs_up(server: Server, three: list[User], post: Post) -> None:
    post(*three)
    server.cut_before.add(three[1].email)
    with pytest.raises(CopiesLeft):
        work()
    assert not server.of(three[1])
    server.cut_before.clear()
    for _run in range(2):
        work()
    assert server.counts(*three) == [1, 1, 1]


@pytest.mark.parametrize(("later", "copies"), [(23 * HOUR, 1), (25 * HOUR, 0)])
def test_a_mail_server_that_is_away_is_waited_for_a_day(
    server: Server, three: list[User], post: Post, settings: Any, later: timedelta, copies: int
) -> None:
    post(*three)
    with refusing_port() as port:
        settings.EMAIL_PORT = port
        with pytest.raises(CopiesLeft):
            work()
    settings.EMAIL_PORT = server.port
    for when in (later, 0 * HOUR):
        work(when)
    assert server.counts(*three) == [copies] * 3


@pytest.mark.django_db(transaction=True)
def test_two_runs_at_once_send_none_twice(server: Server, three: list[User], post: Post) -> None:
    post(*three)
    with server.holding(three, work):
        with pytest.raises(CopiesLeft):
            work()
        assert len(server.came) == 1
    work()
    assert server.counts(*three) == [1, 1, 1]

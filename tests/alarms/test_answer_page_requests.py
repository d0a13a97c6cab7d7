"""What comes to the answer page: codes as people type them, bodies as services send them, and what is none."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from alarms.closing import close_alarm
from alarms.delivery import answer_url
from alarms.models import Alarm, AlarmMessage, Feedback
from alarms.models.answer_code import ALPHABET
from alarms.raising import AlarmOrder, Resources, raise_alarm
from organizations.models import Membership, Organization, User
from tests.alarms.test_answer_page import TEXTS, buttons, history, recipient, text, update, url
from tests.alarms.test_answer_page_answers import HEADERS
from tests.alarms.test_races import while_waiting
from tests.factories import analyze
from tests.processes import service, until

pytestmark = pytest.mark.django_db

FORM = "application/x-www-form-urlencoded"
TOO_LONG = b"response=yes&x=" + b"x" * 1024 * 1024


# Codes


def with_code(code: str) -> AlarmMessage:
    whose = recipient()
    update(whose, code=code)
    return whose


@pytest.mark.parametrize(
    "path",
    [
        "/a/0a1b2c3dtvwx",
        "/a/0a1b2c3dtvwx/",
        "/a/0A1B2C3DTVWX",
        "/a/0A1b2C3dTvWx/",
        "/a/oa1b2c3dtvwx",
        "/a/OAIB2C3DTVWX",
        "/a/0alb2c3dtvwx",
        "/a/0a1b2c3dtvwx?utm_source=sms",
    ],
)
def test_a_code_may_be_typed_in_upper_case_and_with_letters_that_look_like_its_digits(
    client: Client, path: str
) -> None:
    whose = with_code("0a1b2c3dtvwx")
    assert client.get(path).status_code == 200
    answer = client.post(path, {"response": "yes"})
    assert answer.status_code == 303
    assert answer["Location"].startswith("/a/0a1b2c3dtvwx")
    assert history(whose) == [True]


@pytest.mark.parametrize(
    "path",
    ["", "/", "0a1b2c3dtvw", "0a1b2c3dtvwx0", "0a1b2c3dtvw-", "%00" * 12, "ä" * 12, "0a1b2c3dtvwx%0A", "%", "x" * 4000],
)
def test_what_is_no_code_matches_nobody(client: Client, path: str) -> None:
    with_code("0a1b2c3dtvwx")
    with_code("")
    for answer in (client.get(f"/a/{path}"), client.post(f"/a/{path}", {"response": "yes"})):
        assert answer.status_code == 404
        assert TEXTS["en"]["unknown"] in text(answer)
    assert not Feedback.objects.exists()


def test_each_of_10000_recipients_has_a_code_of_their_own(brigade: Organization, client: Client) -> None:
    users = User.objects.bulk_create(User(login=f"many{number}") for number in range(10_000))
    Membership.objects.bulk_create(Membership(organization=brigade, user=user) for user in users)
    analyze(User, Membership)
    order = AlarmOrder(organization=brigade, message="Fire", event_name="", resources=Resources(all_users=True))
    raise_alarm(order=order, raised_by="a test", now=timezone.now())
    codes = list(AlarmMessage.objects.values_list("code", flat=True))
    assert len(codes) == len(set(codes)) == 10_000
    assert {len(code) for code in codes} == {12}
    # Each place takes each of the 32 characters; that one does not, of 10,000, has a chance of e^-300.
    for place in range(12):
        assert {code[place] for code in codes} == set(ALPHABET)
    assert not set(ALPHABET) - set("0123456789abcdefghjkmnpqrstvwxyz")
    assert answer_url(codes[0]).endswith(f"/a/{codes[0]}")
    assert client.get(f"/a/{codes[0]}").status_code == 200


# Bodies


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"response=yes", FORM),
        (b"response=yes", f"{FORM}; charset=utf-8"),
        (b"response=yes", f"{FORM}; charset=nonsense"),
        (b"source=ntfy&response=yes", FORM),
        (b"response=yes", ""),
        (b"response=yes", "text/plain;charset=UTF-8"),
        (
            b'--b\r\nContent-Disposition: form-data; name="response"\r\n\r\nyes\r\n--b--\r\n',
            "multipart/form-data; boundary=b",
        ),
    ],
)
def test_a_service_answers_with_a_form_without_a_token_or_a_cookie(body: bytes, content_type: str) -> None:
    whose = recipient()
    stranger = Client(enforce_csrf_checks=True, headers={"Origin": "https://push.example"})
    answer = stranger.generic("POST", url(whose), body, content_type=content_type)
    assert answer.status_code == 303
    assert history(whose) == [True]


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"", FORM, 400),
        (b"response=", FORM, 400),
        (b"response=maybe", FORM, 400),
        (b"response=true", FORM, 400),
        (b"answer=yes", FORM, 400),
        (b"response=yes&response=perhaps", FORM, 400),
        (b"\xff\xfe\x00=%FF", FORM, 400),
        (b"response=yes", f"{FORM}; charset=utf-16", 400),
        (b'{"response": "yes"}', "application/json", 400),
        (b"response=yes", "multipart/form-data", 400),
        (b"response=yes", "multipart/form-data; boundary=b", 400),
        (b"response=yes&" + b"x=&" * 30_000, FORM, 400),
        (TOO_LONG, FORM, 413),
        (TOO_LONG, "text/plain", 413),
        (b"", "", 400),
    ],
)
def test_what_is_no_answer_is_refused_on_the_page_with_its_buttons(
    client: Client, body: bytes, content_type: str, status: int
) -> None:
    for language in TEXTS:
        whose = recipient(language=language)
        answer = client.generic("POST", url(whose), body, content_type=content_type)
        assert answer.status_code == status
        assert 'role="alert"' in answer.content.decode()
        assert TEXTS[language]["wrong"] in text(answer)
        assert buttons(answer) == ["yes", "no"]
        assert history(whose) == []


def test_a_file_is_no_answer(client: Client) -> None:
    whose = recipient()
    assert client.post(url(whose), {"response": SimpleUploadedFile("yes", b"yes")}).status_code == 400
    assert history(whose) == []


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
def test_other_methods_are_refused_and_change_nothing(client: Client, method: str) -> None:
    whose = recipient()
    answer = client.generic(method, url(whose), b"response=yes", content_type=FORM)
    assert answer.status_code == 405
    assert answer["Allow"] == "GET, HEAD, POST"
    assert history(whose) == []


# At the same moment


@pytest.mark.django_db(transaction=True)
def test_an_answer_that_comes_during_the_closing_is_told_that_it_is_over(client: Client) -> None:
    whose = recipient()
    statuses: list[int] = []
    close = partial(close_alarm, alarm_id=whose.alarm_id, now=timezone.now())
    while_waiting(close, [lambda: statuses.append(client.post(url(whose), {"response": "yes"}).status_code)])
    assert statuses == [410]
    assert history(whose) == []


@pytest.mark.django_db(transaction=True)
def test_an_answer_before_the_closing_counts_although_the_closing_waits_for_it(client: Client) -> None:
    whose = recipient()
    statuses: list[int] = []
    close = partial(close_alarm, alarm_id=whose.alarm_id, now=timezone.now())
    while_waiting(lambda: statuses.append(client.post(url(whose), {"response": "yes"}).status_code), [close])
    assert statuses == [303]
    assert history(whose) == [True]
    assert Alarm.objects.get(pk=whose.alarm_id).closed_at
    assert client.get(url(whose)).status_code == 410


# Trouble


def test_a_mistake_of_the_service_is_told_kindly_and_no_code_gets_into_the_log(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    for logger in ("", "django.request"):
        caplog.set_level(logging.DEBUG, logger)
    whose = recipient(language="de")
    assert client.post(url(whose), {"response": "yes"}).status_code == 303
    assert client.post(url(whose), TOO_LONG, content_type=FORM).status_code == 413
    assert client.get("/a/zzzzzzzzzzzz").status_code == 404
    update(whose.alarm.organization, time_zone="Mars/Olympus_Mons")
    refused: list[Callable[[], int]] = [
        lambda: client.get(url(whose), headers={"Accept-Language": "de"}).status_code,
        lambda: client.post(url(whose), {"response": "?"}).status_code,
    ]
    assert [refuse() for refuse in refused] == [500, 500]
    assert "unexpected error in an answer page: ZoneInfoNotFoundError" in caplog.text
    assert "answered: " in caplog.text
    for code in (whose.code, "zzzzzzzzzzzz"):
        assert code not in caplog.text


def test_where_the_database_is_away_the_page_says_so(tmp_path: Path) -> None:
    away = "postgres://nobody@127.0.0.1:1/nothing"
    with service(tmp_path, DATABASE_URL=away) as processes:
        processes.start("web")
        until(processes.alive)
        with pytest.raises(HTTPError) as refused:
            urlopen(f"{processes.url}/a/0123456789ab", timeout=30)
        with refused.value as answer:
            page = answer.read().decode()
        assert answer.code == 503
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
        assert "This page is not available right now" in page
        log = processes.log("web")
    assert "the database refused an answer page" in log
    assert "0123456789ab" not in log

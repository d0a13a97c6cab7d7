"""Dumps of settings, logs of what others say, pages of errors, and what is wrong with a setting: without its secret."""

from __future__ import annotations

import io
import logging
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from logging.config import DictConfigurator  # type: ignore[attr-defined]
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path

from alarms.sending.outlets import unforeseen
from messaging_project import masking
from messaging_project.environment import env, parsed
from messaging_project.log_settings import Console, logging_of
from messaging_project.masking import MASK, Secret, masked
from tests.alarms.test_texts import DELIVERY
from tests.processes import ROOT

TOKEN = "ga_org_" + "0123456789abcdef" * 4
CODE = "4k7m9p2r5t8w"
# Both halves of it are looked for.
HALVES = ("hunqx", "qxter2")


def test_a_secret_is_a_text_that_no_dump_shows() -> None:
    secret = Secret("hunter2")
    assert (secret, f"{secret}", {secret: 1}["hunter2"], secret.encode()) == ("hunter2", "hunter2", 1, b"hunter2")
    assert repr({"a": [secret, (secret,)]}) == f"{{'a': ['{MASK}', ('{MASK}',)]}}"
    assert type(str(secret)) is str
    assert pickle.loads(pickle.dumps(secret)) == secret  # noqa: S301 - ours


DUMP = """
import django
django.setup()
from django.core.management import call_command
for command in ("diffsettings", "check"):
    call_command(command)
"""
SETTINGS = {
    "DATABASE_URL": "postgres://user:hunqxqxter2@localhost/none",
    "SECRET_KEY": "hunqxqxter2" * 5,
    "ENCRYPTION_KEYS": "hunqxqxter2a,hunqxqxter2b",
    "GATEWAY_APP": "https://user:hunqxqxter2@push.example/hunqxqxter2 json://hunqxqxter2@x.example/{address}",
    "GATEWAY_SMS": "twilio+sms://AC1:hunqxqxter2@api.twilio.com/+4930",
    "GATEWAY_CALL": "hunqxqxter2:hunqxqxter2",
    "GATEWAY_PAGER": "http://user:hunqxqxter2@pager.example:hunqxqxter2/",
    "EMAIL_URL": "smtp://user:hunqxqxter2@localhost",
    "JWT_KEY": "hunqxqxter2" * 5,
    "JWT_ALGORITHM": "HS256",
    "JWT_ISSUER": "https://login.example.org",
    "JWT_AUDIENCE": "alarms",
    **dict.fromkeys(("GATEWAY_SECRET", "TWILIO_AUTH_TOKEN", "METRICS_TOKEN", "ANYMAIL_WEBHOOK_SECRET"), "hunqxqxter2"),
    "HEARTBEAT_URL": "https://beat.example/hunqxqxter2",
}


def run(**environment: str) -> tuple[int, str]:
    """Have a process show its settings and check them; return its exit code and what it says."""
    given = os.environ | {"DJANGO_SETTINGS_MODULE": "messaging_project.settings"} | environment
    done = subprocess.run(
        [sys.executable, "-c", DUMP], cwd=ROOT, env=given, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_a_dump_of_the_settings_and_what_is_wrong_with_them_have_no_secret() -> None:
    code, said = run(**SETTINGS)
    assert code == 1
    assert [half for half in HALVES if half in said] == []
    for name in ("DATABASES", "GATEWAYS", "ENCRYPTION_KEYS", "ANYMAIL", "HEARTBEAT_URL", "METRICS_TOKEN"):
        (line,) = [line for line in said.splitlines() if line.startswith(f"{name} = ")]
        assert MASK in line
    assert "GATEWAY_CALL: a gateway is a URL" in said
    assert "GATEWAY_PAGER: the port is no number" in said


def test_a_start_with_a_url_that_cannot_be_read_tells_the_variable_and_nothing_of_it() -> None:
    code, said = run(**SETTINGS | {"DATABASE_URL": "mysqlx://user:hunqxqxter2@localhost/none"})
    assert code == 1
    assert "DATABASE_URL: only PostgreSQL is supported" in said
    assert [half for half in HALVES if half in said] == []


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("DATABASE_URL", "postgres://user:hunqx/qxter2@localhost/none"),
        ("DATABASE_URL", "postgres://user:hunqxqxter2@localhost:hunqxqxter2/none"),
        ("EMAIL_URL", "smtp://user:hunqx/qxter2@localhost"),
        ("EMAIL_URL", "smtp://user:[hunqxqxter2@localhost"),
        ("EMAIL_URL", "hunqxqxter2://user:hunqxqxter2@localhost"),
    ],
)
def test_a_url_that_cannot_be_read_is_not_repeated(name: str, url: str) -> None:
    parse = {"DATABASE_URL": env.db_url_config, "EMAIL_URL": env.email_url_config}[name]
    with pytest.raises(ImproperlyConfigured, match=f"{name}: is no URL that can be read; ") as raised:
        parsed(name, url, parse)
    assert [half for half in HALVES if half in str(raised.value)] == []
    assert raised.value.__suppress_context__


def test_a_line_of_the_env_file_that_is_none_is_told_without_it(caplog: pytest.LogCaptureFixture) -> None:
    env.read_env(io.StringIO("PASSWORD hunqxqxter2\n"))  # type: ignore[arg-type]
    assert caplog.messages == [".env: a line is not NAME=value"]


# What is logged


@pytest.fixture
def secrets(settings: Any) -> Iterator[None]:
    settings.GATEWAY_SECRET = Secret("the gateways' hunter2")
    url = "json://user:pass%2Fword@h.example/path-0123456789/{address}?:key=v%20alue-of-key1"
    settings.GATEWAYS = {"sms": [Secret(url)]}
    masking._known.cache_clear()
    yield
    masking._known.cache_clear()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"no {TOKEN}, nor {TOKEN[:30]}", f"no ga_org_0123456789ab{MASK}, nor ga_org_0123456789ab{MASK}"),
        ("ga_org_0123456789ab", "ga_org_0123456789ab"),
        (f"GET /a/{CODE} and '/a/{CODE}?x=1'", f"GET /a/{MASK} and '/a/{MASK}?x=1'"),
        (f"POST /api/v1/inbound/twilio/voice/{CODE}", f"POST /api/v1/inbound/twilio/voice/{MASK}"),
        ("http://user:hunter2@host/ and //host/a", f"http://{MASK}@host/ and //host/a"),
        ("Authorization: Bearer eyJh.bcd-_.e; basic YTpi", f"Authorization: Bearer {MASK}; basic {MASK}"),
        ("eyJhbGciOi.eyJzdWIiOi.c2ln was sent", f"{MASK} was sent"),
        ("x\nDETAIL:  Key (code)=(4k7m) exists.\nHINT: y", f"x\nDETAIL: {MASK}\nHINT: y"),
        ("column\nLINE 1: ...WHERE code = '4k7m'\n  ^", f"column\nLINE 1: {MASK}\n  ^"),
        ("by the gateways' hunter2!", f"by {MASK}!"),
        ("pass/word at /path-0123456789/x", f"{MASK} at /{MASK}/x"),
        ("v alue-of-key1 v%20alue-of-key1", f"{MASK} {MASK}"),
        ("h.example and {address} are known", "h.example and {address} are known"),
        ("", ""),
    ],
)
def test_what_is_a_secret_is_masked_and_the_rest_stays(secrets: None, text: str, shown: str) -> None:
    assert masked(text) == shown


@pytest.mark.parametrize("as_json", [False, True])
def test_the_log_masks_what_others_say_and_errors_that_nobody_foresaw(secrets: None, as_json: bool) -> None:
    configured = DictConfigurator(logging_of(level="INFO", as_json=as_json))
    formatter = configured.configure_formatter(configured.config["formatters"]["json" if as_json else "line"])
    handler = Console()
    handler.setStream(io.StringIO())
    handler.setFormatter(formatter)
    for name in ("requests", "alarms.sending"):
        logger = logging.getLogger(f"{name}.masked")
        logger.propagate, logger.handlers = False, [handler]
        logger.warning("refused %s", TOKEN)
        try:
            raise RuntimeError(f"at /a/{CODE} with the gateways' hunter2")
        except RuntimeError:
            logger.exception("failed")
    said = handler.stream.getvalue()
    # What the service itself says is as it was written: it has none.
    assert said.count(TOKEN) == 1
    assert said.count(f"RuntimeError: at /a/{MASK} with {MASK}") == 2
    assert CODE not in said


def test_of_an_error_of_a_gateway_that_nobody_foresaw_what_it_says_is_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    private = "-".join(HALVES)
    with pytest.raises(UnicodeError) as raised:
        raise UnicodeError(private)
    assert unforeseen(DELIVERY, raised.value).reason == "UnicodeError"
    assert "UnicodeError" in caplog.text
    assert __file__ in caplog.text
    assert private not in caplog.text


# Pages of errors


def fail(request: HttpRequest) -> HttpResponse:
    token, code = request.headers["API-TOKEN"], f"/a/{CODE}"
    raise RuntimeError(f"nobody foresaw this, {len(token + code)}")


urlpatterns = [path("fail/", fail)]


@pytest.mark.parametrize("debug", [False, True])
def test_a_page_of_an_error_has_no_secret(secrets: None, settings: Any, debug: bool) -> None:
    settings.ROOT_URLCONF, settings.DEBUG = __name__, debug
    settings.EMAIL_URL = settings.ANYMAIL = "hunqxqxter2"
    headers = {"API-TOKEN": TOKEN, "Personal-Access-Token": TOKEN, "Authorization": f"Bearer {TOKEN}"}
    client = Client(raise_request_exception=False, GATEWAY_SMS="hunqxqxter2", EMAIL_URL="hunqxqxter2")
    client.cookies["sessionid"] = "hunqxqxter2"
    page = client.get("/fail/", headers=headers | {"Accept": "text/html"})
    assert page.status_code == 500
    assert ("nobody foresaw this" in page.content.decode()) is debug
    said = page.content.decode()
    assert [half for half in (*HALVES, TOKEN[-20:], CODE, "hunter2", "pass%2Fword") if half in said] == []


handler500 = "messaging_project.errors.server_error"

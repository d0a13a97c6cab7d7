"""The settings GATEWAY_... and EMAIL_URL, read from the environment as a process reads them (contract 7)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from alarms import gateways
from tests.processes import ROOT

READ = """
import json
from django.conf import settings
names = [name for name in dir(settings) if name.startswith(("GATEWAY", "EMAIL_"))]
print(json.dumps({name: getattr(settings, name) for name in names}))
"""
NONE: dict[str, list[str]] = {"app": [], "pager": [], "sms": [], "call": [], "email": []}


def read(**environment: str) -> dict[str, Any]:
    """Return the settings of a process with these variables."""
    done = subprocess.run(
        [sys.executable, "-c", READ],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "messaging_project.settings"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_without_any_setting_no_way_is_available_and_nothing_is_signed() -> None:
    found = read()
    assert found["GATEWAYS"] == NONE
    assert found["GATEWAY_SECRET"] == ""


def test_each_way_has_a_setting_of_its_own_with_urls_separated_by_spaces() -> None:
    found = read(
        GATEWAY_APP="https://push.example/a?b=c",
        GATEWAY_PAGER="log:",
        GATEWAY_SMS=" http://one.example/  https://two.example/sms http://three.example ",
        GATEWAY_CALL="http://calls.example",
        GATEWAY_EMAIL="email:",
    )
    assert found["GATEWAYS"] == {
        "app": ["https://push.example/a?b=c"],
        "pager": ["log:"],
        "sms": ["http://one.example/", "https://two.example/sms", "http://three.example"],
        "call": ["http://calls.example"],
        "email": ["email:"],
    }


def test_what_make_run_sets_holds_for_ways_that_are_not_set_at_all() -> None:
    found = read(GATEWAY_DEFAULT="log:", GATEWAY_SMS="", GATEWAY_EMAIL="email:")
    assert found["GATEWAYS"] == {"app": ["log:"], "pager": ["log:"], "sms": [], "call": ["log:"], "email": ["email:"]}


def test_the_secret_is_taken_as_it_stands() -> None:
    assert read(GATEWAY_SECRET="$HOME is \\n no secret")["GATEWAY_SECRET"] == "$HOME is \\n no secret"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.example:2525", ("smtp", "mail.example", 2525, "", "", False, False)),
        ("smtp+tls://alarm:p%40ss@mail.example:587", ("smtp", "mail.example", 587, "alarm", "p@ss", True, False)),
        ("smtp+ssl://alarm:x@mail.example:465", ("smtp", "mail.example", 465, "alarm", "x", False, True)),
        ("consolemail://", ("console", "localhost", 25, "", "", False, False)),
    ],
)
def test_the_mail_backend_is_the_one_that_the_url_names(url: str, expected: tuple[object, ...]) -> None:
    found = read(EMAIL_URL=url)
    names = ("HOST", "PORT", "HOST_USER", "HOST_PASSWORD", "USE_TLS", "USE_SSL")
    backend = found["EMAIL_BACKEND"].removeprefix("django.core.mail.backends.").removesuffix(".EmailBackend")
    assert (backend, *(found[f"EMAIL_{name}"] for name in names)) == expected


def test_gateways_are_built_in_the_order_of_the_setting(settings: Any) -> None:
    urls = ["http://b.example/", "log:", "http://a.example/", "email:"]
    settings.GATEWAYS = settings.GATEWAYS | {"sms": urls}
    assert [gateway.url for gateway in gateways.of_way("sms")] == urls

"""By https alone, where the service is reached by it: behind a proxy, and with nobody before it."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client

from tests.dialect import refused
from tests.processes import ROOT

BASE_URL = "https://alarm.example.org"
PRINT = """
import json
from messaging_project import web_settings as it
names = [name for name in vars(it) if name.isupper()]
print(json.dumps({name: getattr(it, name) for name in names}))
"""


def settings_with(**environment: str) -> Any:
    """Return the settings of web_settings.py with these variables."""
    done = subprocess.run(
        [sys.executable, "-c", PRINT],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr.splitlines()[-1]


def production() -> dict[str, str]:
    """Return the variables of docs/security.md."""
    page = (ROOT / "docs" / "security.md").read_text()
    block = re.search(r"In `\.env`:\n\n```sh\n(.*?)```", page, re.DOTALL)
    assert block is not None
    lines = [line for line in block[1].splitlines() if not line.startswith("#")]
    return {name: value for name, _equals, value in (line.partition("=") for line in lines)}


def test_the_documented_settings_pass_the_checks_for_deployment() -> None:
    given = production()
    assert {"BASE_URL", "NUM_PROXIES", "SECRET_KEY", "DATABASE_URL"} <= given.keys()

    def check(**changed: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
            cwd=ROOT,
            env=os.environ | given | changed,
            capture_output=True,
            text=True,
            check=False,
        )

    done = check(SECRET_KEY=secrets.token_urlsafe(64))
    assert (done.returncode, done.stdout) == (0, "System check identified no issues (0 silenced).\n"), done.stderr
    # What stands there for the key is none.
    forgotten = check()
    assert forgotten.returncode == 1
    assert "security.W009" in forgotten.stderr


def test_behind_a_proxy_with_tls() -> None:
    found = settings_with(**production())
    assert found["SECURE_PROXY_SSL_HEADER"] == ["HTTP_X_FORWARDED_PROTO", "https"]
    assert found["SECURE_SSL_REDIRECT"]
    assert (found["SECURE_HSTS_SECONDS"], found["SECURE_HSTS_INCLUDE_SUBDOMAINS"]) == (31_536_000, True)
    for name in ("SESSION_COOKIE", "CSRF_COOKIE", "LANGUAGE_COOKIE"):
        assert found[f"{name}_SECURE"]
    for name in ("SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME", "BROWSER_COOKIE_NAME"):
        assert found[name].startswith("__Host-")
    assert found["SESSION_COOKIE_AGE"] == 12 * 3600


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        # With nobody before it, nobody is believed.
        (
            {"BASE_URL": BASE_URL},
            {"SECURE_PROXY_SSL_HEADER": None, "SECURE_SSL_REDIRECT": False, "SECURE_HSTS_PRELOAD": False},
        ),
        (
            {"BASE_URL": BASE_URL, "HSTS_SECONDS": "60", "SESSION_HOURS": "1"},
            {"SECURE_HSTS_SECONDS": 60, "SESSION_COOKIE_AGE": 3600},
        ),
        (
            {"NUM_PROXIES": "1"},
            {"SECURE_SSL_REDIRECT": False, "SECURE_HSTS_SECONDS": 0, "SESSION_COOKIE_SECURE": False},
        ),
    ],
)
def test_other_settings(environment: dict[str, str], expected: dict[str, object]) -> None:
    found = settings_with(**environment)
    assert {name: found[name] for name in expected} == expected


def test_a_second_factor_is_optional_or_required() -> None:
    assert settings_with(SECOND_FACTOR="on").endswith("SECOND_FACTOR: must be optional or required")


@pytest.fixture
def proxied(settings: Any) -> Client:
    """Asks as our proxy does, which says how it was asked."""
    settings.BASE_URL = BASE_URL
    settings.ALLOWED_HOSTS = ["alarm.example.org"]
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_HSTS_SECONDS = 60
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert settings.SECURE_REDIRECT_EXEMPT == django_settings.SECURE_REDIRECT_EXEMPT == [""]
    return Client(headers={"Host": "alarm.example.org"})


HTTP, HTTPS = {"X-Forwarded-Proto": "http"}, {"X-Forwarded-Proto": "https"}


@pytest.mark.django_db
def test_pages_that_came_by_http_are_sent_to_https(proxied: Client) -> None:
    for path in ("/admin/login/?next=/admin/", "/a/0123456789ab", "/api/docs", "/static/messaging_project/icon.svg"):
        answer = proxied.get(path, headers=HTTP)
        assert (answer.status_code, answer["Location"]) == (301, BASE_URL + path)
    answer = proxied.get("/admin/login/", headers=HTTPS)
    assert (answer.status_code, answer["Strict-Transport-Security"]) == (200, "max-age=60")


@pytest.mark.django_db
def test_what_programs_send_by_http_is_refused_in_their_dialect(proxied: Client) -> None:
    for method, path in (
        ("get", "/api/v1/user"),
        ("post", "/api/v1/alarm"),
        ("get", "/api/v1/msg/list"),
        ("post", "/a/x"),
    ):
        answer = getattr(proxied, method)(path, headers=HTTP)
        assert refused(answer, 403, "https: only https://alarm.example.org takes this"), path
        assert "Location" not in answer
    page = proxied.post("/admin/login/", headers=HTTP | {"Accept": "text/html"})
    assert (page.status_code, "This is not allowed" in page.content.decode()) == (403, True)
    assert proxied.get("/api/v1/user", headers=HTTPS).status_code == 401


@pytest.mark.django_db
def test_whoever_looks_after_the_service_asks_by_http(proxied: Client) -> None:
    for path in ("/health", "/health/live", "/health/"):
        for headers in ({}, HTTP):
            assert proxied.get(path, headers=headers).status_code in {200, 503}
    assert proxied.get("/metrics", headers=HTTP).status_code != 301
    # Programs on the same machine, and a proxy that says nothing, are answered: alarms are raised by them.
    assert proxied.get("/api/v1/user").status_code == 401
    assert proxied.get("/admin/login/").status_code == 200


@pytest.mark.parametrize("said", ["https", "https,http", "HTTPS"])
def test_without_a_proxy_of_ours_nobody_says_by_themselves_that_it_is_https(settings: Any, said: str) -> None:
    settings.SECURE_HSTS_SECONDS = 60
    answer = Client().get("/health/live", headers={"X-Forwarded-Proto": said})
    assert "Strict-Transport-Security" not in answer
    assert not answer.wsgi_request.is_secure()

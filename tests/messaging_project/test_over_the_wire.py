"""What only a real server shows: headers as clients spell them, and bodies as clients send them (contract 1 and 2)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from organizations.models import ApiToken, PersonalAccessToken
from tests import factories
from tests.organizations.test_jwt import AUDIENCE, FAR, ISSUER, SECRET, claims, sign
from tests.processes import Processes, service, until

MIB = 1024 * 1024
JWT = {"JWT_KEY": SECRET, "JWT_ALGORITHM": "HS256", "JWT_ISSUER": ISSUER, "JWT_AUDIENCE": AUDIENCE}
SPELLED: tuple[Callable[[str], str], ...] = (str.lower, str.upper, str.title, str.swapcase)


@pytest.fixture
def web(transactional_db: None, tmp_path: Path) -> Iterator[Processes]:
    with service(tmp_path, **JWT) as processes:
        processes.start("web")
        until(processes.alive)
        yield processes


def ask(web: Processes, method: str, path: str, headers: dict[str, str], body: bytes | None = None) -> tuple[int, Any]:
    """Return status and JSON."""
    with closing(HTTPConnection("127.0.0.1", web.port, timeout=60)) as server:
        # A server may answer before it has read all of a body, and read no more of it.
        with suppress(BrokenPipeError, ConnectionResetError):
            server.request(method, f"/api/v1{path}", body, headers)
        answer = server.getresponse()
        assert answer.getheader("Content-Type") == "application/json"
        return answer.status, json.loads(answer.read())


def test_headers_may_be_spelled_in_any_case_and_bodies_are_bounded(web: Processes) -> None:
    organization = factories.OrganizationFactory()
    user = factories.admin(organization)
    principals = {
        "API-TOKEN": ApiToken.issue(name="test", organization=organization)[1],
        "Personal-Access-Token": PersonalAccessToken.issue(name="test", user=user)[1],
        "Authorization": f"Bearer {sign(claims(user.login, exp=FAR), 'HS256')}",
    }
    own = (200, [{"id": organization.pk, "name": organization.name}])
    for name, text in principals.items():
        for spelled in SPELLED:
            assert ask(web, "GET", "/organizations", {spelled(name): text}) == own, spelled(name)
    status, error = ask(web, "GET", "/organizations", {name.lower(): text for name, text in principals.items()})
    assert (status, error["success"]) == (400, False)

    token = {"api-token": principals["API-TOKEN"]}
    body = json.dumps({"organizationID": organization.pk, "message": "Fire", "alarmResources": {"allUsers": True}})
    for length, media_type, expected in (
        (MIB, "Application/JSON; charset=utf-8", 201),
        (MIB + 1, "application/json", 413),
        (len(body), "text/plain", 415),
    ):
        headers = token | {"content-type": media_type}
        status, _answer = ask(web, "POST", "/alarm", headers, body.ljust(length).encode())
        assert status == expected, (length, media_type)
    assert organization.alarms.count() == 1
    assert web.alive()

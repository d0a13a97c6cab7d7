"""What only a real server shows: headers as clients spell them, and bodies as clients send them (contract 1 and 2)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from organizations.models import ApiToken, PersonalAccessToken
from tests import factories
from tests.messaging_project import signing
from tests.messaging_project.walk import GATEWAY_SECRET, TWILIO_AUTH_TOKEN
from tests.organizations.test_jwt import AUDIENCE, FAR, ISSUER, SECRET, claims, sign
from tests.processes import Processes, service, until

MIB = 1024 * 1024
JWT = {"JWT_KEY": SECRET, "JWT_ALGORITHM": "HS256", "JWT_ISSUER": ISSUER, "JWT_AUDIENCE": AUDIENCE}
SECRETS = {
    "GATEWAY_SECRET": GATEWAY_SECRET,
    "TWILIO_AUTH_TOKEN": TWILIO_AUTH_TOKEN,
    "BASE_URL": "https://alarm.example",
}
SPELLED: tuple[Callable[[str], str], ...] = (str.lower, str.upper, str.title, str.swapcase)


@pytest.fixture
def web(transactional_db: None, tmp_path: Path) -> Iterator[Processes]:
    with service(tmp_path, **JWT, **SECRETS) as processes:
        processes.start("web")
        until(processes.alive)
        yield processes


def ask(
    web: Processes, method: str, path: str, headers: dict[str, str], body: bytes | Iterator[bytes] | None = None
) -> tuple[int, Any]:
    """Return status and JSON, or the bytes of XML. What comes in pieces is sent so."""
    with closing(HTTPConnection("127.0.0.1", web.port, timeout=60)) as server:
        # A server may answer before it has read all of a body, and read no more of it.
        with suppress(BrokenPipeError, ConnectionResetError):
            server.request(method, f"/api/v1{path}", body, headers, encode_chunked=isinstance(body, Iterator))
        answer = server.getresponse()
        content, media_type = answer.read(), answer.getheader("Content-Type")
        if media_type == "text/xml; charset=utf-8":
            return answer.status, content
        assert media_type == "application/json"
        return answer.status, json.loads(content)


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


def test_gateways_and_twilio_sign_what_goes_over_the_wire(web: Processes) -> None:
    user = factories.member(factories.OrganizationFactory(), ways=("sms",))
    known, number = factories.AlarmMessageFactory(user=user), user.devices.get().address
    known.refresh_from_db()

    def gateway(
        signed: bytes, sent: bytes | Iterator[bytes], spelled: Callable[[str], str] = str.lower
    ) -> tuple[int, Any]:
        ((name, signature),) = signing.of_gateway(signed, GATEWAY_SECRET).items()
        return ask(web, "POST", "/inbound/sms", {"Content-Type": "application/json", spelled(name): signature}, sent)

    # Spaces and signs that are not ASCII have a part in it, as they were sent.
    body = f'{{ "from": "{number}",  "text": "Jä" }}'.encode()
    for spelled in SPELLED:
        assert gateway(body, body, spelled)[0] == 200, spelled
    assert gateway(body.replace(b"  ", b" "), body)[0] == 401
    assert gateway(body, iter([body[:9], body[9:]]))[0] == 200
    assert gateway(body, iter([body, b" "]))[0] == 401
    assert gateway(body.ljust(MIB + 1), body.ljust(MIB + 1))[0] == 413

    def twilio(path: str, form: dict[str, str], *, told: str = SECRETS["BASE_URL"]) -> tuple[int, Any]:
        content = urlencode(form).encode()
        url = f"/inbound/twilio/{path}"
        headers = signing.of_twilio(f"{told}/api/v1{url}", content, TWILIO_AUTH_TOKEN)
        return ask(web, "POST", url, headers | {"Content-Type": "application/x-www-form-urlencoded"}, content)

    form = {"From": number, "Body": "Ja, ich komme: 5 Min & 30 %", "To": "+4930"}
    for path in ("sms", "sms/", "voice?asked=1", f"voice/{known.code}?asked=0", f"voice/{known.code}/"):
        status, document = twilio(path, form)
        assert (status, b"<Response" in document) == (200, True), path
    # What is signed is the address that Twilio was told, not the one behind it.
    assert twilio("sms", form, told=web.url)[0] == 401
    assert known.alarm.alarm_messages.get().response is True
    assert web.alive()


def test_no_charset_that_a_request_names_is_a_mistake_of_the_service(web: Processes) -> None:
    organization = factories.OrganizationFactory()
    token = ApiToken.issue(name="test", organization=organization)[1]
    for charset in ("base64", "punycode", "utf-16", '"rot13"', "", "none-such", "utf-8", "ISO-8859-1", "UTF8"):
        headers = {"API-TOKEN": token, "Content-Type": f"application/json; charset={charset}; x=y"}
        answer = ask(web, "GET", f"/users?organization={organization.pk}", headers)
        assert answer == (200, []), charset
        refused = ask(web, "GET", "/users?organization=x", headers)
        assert (refused[0], refused[1]["error"].partition(":")[0]) == (400, "organization"), charset

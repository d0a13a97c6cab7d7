"""Input that once led, or could lead, past the checks."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.utils import translation
from rest_framework.test import APIClient

from escalations.models import EscalationConfiguration
from escalations.plan import Entry
from messaging_project.errors import MAX_LINES
from organizations.models import ApiToken, Organization, User
from tests import factories
from tests.dialect import property_of, refused
from tests.processes import service, until

MIB = 1024 * 1024

AsOrganization = Callable[[Organization], APIClient]


def set_escalation(client: APIClient, body: bytes) -> tuple[int, str]:
    answer = client.post("/api/v1/escalation/organization", body, content_type="application/json")
    return answer.status_code, answer.json()["error"]


@pytest.mark.django_db
def test_a_body_over_1_mib_is_too_large(as_organization: AsOrganization) -> None:
    client = as_organization(factories.OrganizationFactory())
    body = b'{"escalations": [], "organizationID": 1, "unknown": "' + b"x" * MIB + b'"}'
    assert set_escalation(client, body) == (413, "The body is larger than 1 MiB.")


@pytest.mark.django_db
@pytest.mark.parametrize("way", ['"\\ud800"', "[" * 907 + "]" * 907, "7", "null", '{"a": 1}'])
def test_a_way_that_is_none_is_named_and_not_repeated(as_organization: AsOrganization, way: str) -> None:
    client = as_organization(factories.OrganizationFactory())
    body = f'{{"organizationID": 1, "escalations": [{{"wayofalarm": {way}, "delay": 0}}]}}'.encode()
    status, error = set_escalation(client, body)
    assert status == 400
    # How deep the parser itself can go hangs on the stack that is left.
    assert error.startswith(
        (
            "escalations[0].wayofalarm: Must be one of app, ",
            "escalations[0].wayofalarm: This field may not be null.",
            "body: nested too deep.",
        )
    )
    assert len(error) < 100


@pytest.mark.django_db
def test_a_list_that_is_too_long_is_not_looked_into(as_organization: AsOrganization) -> None:
    client = as_organization(factories.OrganizationFactory())
    body = b'{"organizationID": 1, "escalations": [' + b",".join([b"0"] * 500_000) + b"]}"
    assert set_escalation(client, body) == (400, "escalations: At most 20 entries.")


@pytest.mark.django_db
def test_an_answer_does_not_grow_with_what_is_wrong(as_organization: AsOrganization) -> None:
    organization = factories.OrganizationFactory()
    answer = as_organization(organization).post(
        "/api/v1/alarm",
        {"organizationID": organization.pk, "message": "Fire", "alarmResources": {"users": ["x"] * 50}},
        format="json",
    )
    assert answer.status_code == 400
    assert answer.json()["error"].endswith(f"; and {50 - MAX_LINES} more")


@pytest.mark.django_db
def test_api_texts_are_english_where_the_service_speaks_german(as_organization: AsOrganization) -> None:
    client = as_organization(factories.OrganizationFactory())
    with translation.override("de"):
        assert set_escalation(client, b"{}") == (
            400,
            "escalations: This field is required.; organizationID: This field is required.",
        )


@pytest.mark.django_db(transaction=True)
def test_a_configuration_that_is_being_replaced_is_removed_whole() -> None:
    organization = factories.OrganizationFactory()
    factories.escalation(organization, ("sms", 1))
    removed: list[list[Entry]] = []

    def remove() -> None:
        removed.append(EscalationConfiguration.objects.remove(owner=organization))
        connection.close()

    with transaction.atomic():
        factories.escalation(organization, ("call", 2))
        remover = threading.Thread(target=remove)
        remover.start()
        until(somebody_waits_for_a_lock)
    remover.join(30)
    assert removed == [[Entry("call", 2)]]
    assert EscalationConfiguration.objects.count() == 0
    assert EscalationConfiguration.objects.remove(owner=organization) == []


def somebody_waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND pid IN ("
            " SELECT l.pid FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE datname = current_database())"
        )
        return bool(cursor.fetchone()[0])


@pytest.mark.parametrize(
    ("chunks", "status"), [([b'{"organizationID": 1, ', b'"x": 1}'], 400), ([b"x" * MIB, b"y"], 413)]
)
def test_a_streamed_body_is_read(transactional_db: None, tmp_path: Path, chunks: list[bytes], status: int) -> None:
    _row, token = ApiToken.issue(name="test", organization=factories.OrganizationFactory())
    with service(tmp_path) as processes:
        processes.start("web")
        until(processes.alive)
        server = http.client.HTTPConnection("127.0.0.1", processes.port, timeout=30)
        headers = {"API-TOKEN": token, "Content-Type": "application/json"}
        server.request("POST", "/api/v1/alarm", iter(chunks), headers, encode_chunked=True)
        answer = server.getresponse()
        error = json.load(answer)["error"]
        server.close()
    assert answer.status == status
    # What is there is not missing.
    assert "organizationID" not in error
    assert "message: This field is required" in error or status == 413


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path",
    [
        *("/users?organization={0}", "/alarms?organization={0}&limit=1&offset=0", "/hooks?organization={0}"),
        "/alarmtemplates?organization={0}",
    ],
)
def test_a_parameter_that_is_given_twice_is_refused_by_name(as_organization: AsOrganization, path: str) -> None:
    organization = factories.OrganizationFactory()
    client = as_organization(organization)
    address = f"/api/v1{path.format(organization.pk)}"
    assert client.get(address).status_code == 200
    for pair in address.partition("?")[2].split("&"):
        name = pair.partition("=")[0]
        answer = client.get(f"{address}&{pair}")
        assert (answer.status_code, answer.json()["error"]) == (400, f"{name}: Give it once.")


@pytest.mark.django_db
def test_so_is_one_of_devices(as_user: Callable[[User], APIClient]) -> None:
    organization = factories.OrganizationFactory()
    user = factories.admin(organization)
    client, address = as_user(user), f"/api/v1/device?user_id={user.pk}&organization_id={organization.pk}"
    assert client.get(address).status_code == 200
    for name in ("user_id", "organization_id"):
        assert refused(client.get(f"{address}&{name}=7"), 400, f"{name}: Give it once.")


@pytest.mark.django_db
def test_so_is_one_of_the_inbox(as_user: Callable[[User], APIClient]) -> None:
    client = as_user(factories.UserFactory())
    address = "/api/v1/msg/list?unread=true&limit=1&before=7"
    assert client.get(address).status_code == 200
    for name in ("unread", "limit", "before"):
        answer = client.get(f"{address}&{name}=7")
        assert refused(answer, 400, f"{name}: Give it once.")
        assert property_of(answer) == name


# A language is a name in the body that its sender has chosen.
LANGUAGES = ["\ud800", "\x00", "", " ", "de AT", "de: at", "deutsch\n", "<b>", "de.at", "x" * 100_000 + "!"]


@pytest.mark.django_db
@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: ascii(language[:10]))
def test_a_language_that_is_none_is_400_names_the_field_and_is_not_repeated_at_length(
    as_user: Callable[[User], APIClient], language: str
) -> None:
    client = as_user(factories.member(factories.OrganizationFactory()))
    client.raise_request_exception = False
    for text in ("Drill", 7, None, ["Drill"]):
        body = {"message": "Drill", "toUserId": [1], "translations": {language: text}}
        answer = client.generic("POST", "/api/v1/msg/send", json.dumps(body), "application/json")
        assert refused(answer, 400, "translations"), text
        assert property_of(answer).partition(".")[0] == "translations", text
        assert len(answer.content) < 1000

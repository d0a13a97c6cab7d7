"""What programs written for the published API send and read works as they are used to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from organizations.models import Organization, User
from tests import factories
from tests.messaging_project.things import absence_of, hook_of

pytestmark = pytest.mark.django_db

# A body as such a program sends it: every field it knows, lists without entries as [] or null.
ALARM: dict[str, Any] = {
    "alarmTemplateID": 0,
    "closeEventInHours": 4,
    "eventName": "B2",
    "eventID": None,
    "message": "Fire",
    "scheduledEndTime": None,
    "startTime": None,
    "severityLevel": {"id": 3},
    "flows": [],
}


@pytest.fixture
def organization() -> Organization:
    return factories.OrganizationFactory()


@pytest.fixture
def boss(organization: Organization, as_user: Callable[[User], APIClient]) -> APIClient:
    return as_user(factories.admin(organization))


@pytest.mark.parametrize("empty", [[], None])
def test_an_alarm_with_all_the_fields_that_they_know_is_raised(
    organization: Organization, boss: APIClient, empty: Any
) -> None:
    user = factories.member(organization)
    resources = {"allUsers": False, "users": [user.pk], "units": empty, "labels": empty, "scenarios": empty}
    body = ALARM | {"organizationID": organization.pk, "alarmResources": resources}
    answer = boss.post("/api/v1/alarm", body, format="json")
    assert answer.status_code == 201, answer.json()
    assert [entry["userID"] for entry in answer.json()["feedback"]] == [user.pk]


@pytest.mark.parametrize("path", ["/alarm/", "/alarm"])
def test_closing_takes_the_whole_alarm_back(organization: Organization, boss: APIClient, path: str) -> None:
    alarm = factories.AlarmFactory(organization=organization)
    whole = boss.get(f"/api/v1/alarm/{alarm.pk}").json()
    answer = boss.patch(
        f"/api/v1/alarm/{alarm.pk}{path.removeprefix('/alarm')}", whole | {"closed": True}, format="json"
    )
    assert (answer.status_code, answer.json()) == (200, {"message": "success"})
    assert boss.get(f"/api/v1/alarm/{alarm.pk}").json()["closed"] is True


@pytest.mark.parametrize(
    "path",
    [
        "/user",
        "/organizations",
        "/users?organization={organization}",
        "/units?organization={organization}",
        "/alarms?organization={organization}",
        "/organization/{organization}/timeout",
        "/msg/list",
        "/msg/list?unread=true",
        "/availability",
        "/device",
        "/hooks?organization={organization}",
        "/alarmtemplates?organization={organization}",
        "/organization/{organization}/ways",
    ],
)
@pytest.mark.parametrize("extra", ["all=true", "update_for_user=true", "all=true&update_for_user=true&sort=name&page="])
def test_parameters_that_mean_nothing_here_change_nothing(
    organization: Organization, boss: APIClient, path: str, extra: str
) -> None:
    path = f"/api/v1{path.format(organization=organization.pk)}"
    plain = boss.get(path)
    assert plain.status_code == 200
    assert boss.get(f"{path}{'&' if '?' in path else '?'}{extra}").json() == plain.json()


@pytest.mark.parametrize("number", ["{}", "0{}", "000000{}"])
def test_numbers_in_queries_are_taken_as_they_come(organization: Organization, boss: APIClient, number: str) -> None:
    for path in ("/users", "/units", "/alarms", "/alarmtemplates", "/hooks"):
        answer = boss.get(f"/api/v1{path}?organization={number.format(organization.pk)}&limit=&offset=")
        assert answer.status_code == 200, answer.json()
    answer = boss.get(f"/api/v1/msg/list?before={number.format(7)}&limit={number.format(7)}&unread=")
    assert answer.status_code == 200, answer.json()


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/vnd.groupalarm+json", "text/html", ""])
@pytest.mark.parametrize("path", ["/user", "/user/", "/msg/list", "/msg/list/", "/device", "/availability/"])
def test_whatever_is_accepted_is_answered_in_json(boss: APIClient, path: str, accept: str) -> None:
    answer = boss.get(f"/api/v1{path}", headers={"Accept": accept})
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")


def test_feedback_of_a_program_with_every_id_given(organization: Organization, as_organization: Any) -> None:
    user = factories.member(organization)
    alarm = factories.AlarmFactory(organization=organization)
    factories.AlarmMessageFactory(alarm=alarm, user=user)
    client = as_organization(organization)
    for ids in ({"alarmID": alarm.pk}, {"alarmID": 0, "organizationID": organization.pk}):
        body = {"response": True, "userID": user.pk, "token": "x", **ids}
        assert client.post("/api/v1/messaging/feedback/", body, format="json").json() == {"success": True}


# The fields of a message as a program that knows the published samples reads it; what holds a password holds none here.
PUBLISHED_MESSAGE = {"fieldName", "message", "type", "timestamp", "image", "sender", "id"}
PUBLISHED_SENDER = {"id", "firstName", "lastName", "description", "email", "groups", "login"}


def test_a_message_as_in_the_published_samples_is_sent_listed_and_set_to_be_read(
    organization: Organization, as_user: Callable[[User], APIClient]
) -> None:
    user = factories.member(organization)
    group = factories.GroupFactory(organization=organization)
    group.memberships.set(organization.memberships.all())
    client = as_user(user)
    body = {
        "message": "...",
        "translations": {"property1": "...", "property2": "..."},
        "parameters": ["...", "..."],
        "toGroupId": [group.pk, group.pk],
        "toUserId": [user.pk, user.pk],
    }
    sent = client.post("/api/v1/msg/send", body, format="json")
    listed = client.get("/api/v1/msg/list", headers={"Accept": "application/json"})
    ids = [message["id"] for message in listed.json()["messages"]]
    read = client.post("/api/v1/msg/read", {"messages": ids * 2}, format="json")
    assert [answer.status_code for answer in (sent, listed, read)] == [201, 200, 201]
    for answer in (sent, listed, read):
        assert set(answer.json()) == {"messages", "responseInfo"}
        assert set(answer.json()["responseInfo"]) == {"responseCode", "responseMessage", "property"}
        (message,) = answer.json()["messages"]
        assert set(message) == PUBLISHED_MESSAGE | {"isInstantMessage"}
        assert set(message["sender"]) == PUBLISHED_SENDER


def test_preferences_take_the_whole_user_back(organization: Organization, boss: APIClient) -> None:
    whole = boss.get("/api/v1/user").json()
    answer = boss.patch("/api/v1/user", whole | {"name": "Eve", "inboxToEmail": True}, format="json")
    # Who they are is for their organization to say: of that nothing is changed.
    assert (answer.status_code, answer.json()) == (200, whole | {"inboxToEmail": True})


def test_what_is_changed_takes_the_whole_of_it_back(
    organization: Organization, as_user: Callable[[User], APIClient]
) -> None:
    user = factories.admin(organization, ways=("sms", "call"))
    absence_of(user, organization=organization, weekly=True)
    hook_of(organization)
    client = as_user(user)
    for path in ("/device", "/availability", "/hooks"):
        for whole in client.get(f"/api/v1{path}", {"organization": organization.pk}).json():
            answer = client.patch(f"/api/v1{path}/{whole['id']}", whole, format="json")
            assert (answer.status_code, answer.json()) == (200, whole), path
            # Whose it is, and since when, is not theirs to say; the way of a device is for good.
            strange = {"id": 7, "userID": 7, "way": "email", "createdAt": "2001-01-01T00:00:00Z", "secret": "x"}
            assert client.patch(f"/api/v1{path}/{whole['id']}", strange, format="json").json() == whole, path
    ways = client.get(f"/api/v1/organization/{organization.pk}/ways").json()
    not_available = [way | {"available": False} for way in ways]
    answer = client.put(f"/api/v1/organization/{organization.pk}/ways", not_available, format="json")
    # Whether there is a gateway is not theirs to say either.
    assert (answer.status_code, answer.json()) == (200, ways)

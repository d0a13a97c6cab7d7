"""POST /messaging/feedback (contract 4): for whom each kind of principal answers, and what the history says of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from alarms.models import Alarm, AlarmMessage, Feedback
from organizations.models import ApiToken, Organization, User
from tests import factories
from tests.dialect import refused
from tests.organizations.test_jwt import token_of, trust

pytestmark = pytest.mark.django_db

AsUser = Callable[[User], APIClient]


@pytest.fixture
def recipient() -> AlarmMessage:
    alarm = factories.AlarmFactory()
    message: AlarmMessage = factories.AlarmMessageFactory(alarm=alarm, user=factories.member(alarm.organization))
    return message


@pytest.fixture
def as_jwt(settings: Any) -> AsUser:
    """A client that asks with a JSON Web Token of a user."""
    trust(settings, "HS256")
    return lambda user: APIClient(headers={"Authorization": f"Bearer {token_of(user, 'HS256')}"})


def answer(client: APIClient, recipient: AlarmMessage, response: bool = True, **ids: int) -> Any:
    body = {"alarmID": recipient.alarm_id, "userID": recipient.user_id, "response": response} | ids
    return client.post("/api/v1/messaging/feedback", body, format="json")


def answered(client: APIClient, recipient: AlarmMessage, response: bool = True, **ids: int) -> bool:
    came = answer(client, recipient, response, **ids)
    return bool(came.status_code == 200 and came.json() == {"success": True})


def test_a_jwt_answers_for_its_user(recipient: AlarmMessage, as_jwt: AsUser) -> None:
    assert answered(as_jwt(recipient.user), recipient, response=False)
    recipient.refresh_from_db()
    assert (recipient.response, recipient.escalating) == (False, False)
    assert answered(as_jwt(recipient.user), recipient, alarmID=0, organizationID=recipient.alarm.organization_id)
    recipient.refresh_from_db()
    assert recipient.response is True


def test_a_jwt_answers_for_nobody_else(recipient: AlarmMessage, as_jwt: AsUser) -> None:
    organization = recipient.alarm.organization
    for user in (factories.member(organization), factories.admin(organization)):
        factories.AlarmMessageFactory(alarm=recipient.alarm, user=user)
        assert refused(answer(as_jwt(user), recipient), 403, "userID")
        ids = {"alarmID": 0, "organizationID": organization.pk}
        assert refused(answer(as_jwt(user), recipient, **ids), 403, "userID")
    assert not Feedback.objects.exists()


def test_the_history_tells_when_and_with_what_each_answer_came(
    recipient: AlarmMessage, as_user: AsUser, as_jwt: AsUser
) -> None:
    organization = recipient.alarm.organization
    _row, text = ApiToken.issue(name="control room", organization=organization)
    only_organization = {"alarmID": 0, "organizationID": organization.pk}
    assert answered(as_user(recipient.user), recipient, True)
    assert answered(as_jwt(recipient.user), recipient, False)
    assert answered(APIClient(headers={"API-TOKEN": text}), recipient, True)
    assert answered(as_jwt(recipient.user), recipient, False, **only_organization)
    recipient.refresh_from_db()
    history = list(Feedback.objects.values_list("response", "source"))
    assert [response for response, _source in history] == [True, False, True, False]
    sources = [source for _response, source in history]
    assert "control room" in sources[2]
    assert sources[1] == sources[3]
    assert len(set(sources)) == 3
    times = list(Feedback.objects.values_list("created_at", flat=True))
    assert times == sorted(times)
    assert times[-1] == recipient.responded_at


@pytest.mark.parametrize("caller", ["user", "organization"])
def test_repeating_an_answer_to_an_organization_is_no_error_and_adds_no_history(
    recipient: AlarmMessage, as_user: AsUser, as_organization: Callable[[Organization], APIClient], caller: str
) -> None:
    organization = recipient.alarm.organization
    client = as_user(recipient.user) if caller == "user" else as_organization(organization)
    for _ in range(2):
        assert answered(client, recipient, alarmID=0, organizationID=organization.pk)
    assert list(Feedback.objects.values_list("response", flat=True)) == [True]


@pytest.mark.parametrize("ended", ["over", "closed"])
def test_an_api_token_is_bound_to_the_time_too(
    recipient: AlarmMessage, as_organization: Callable[[Organization], APIClient], now: datetime, ended: str
) -> None:
    if ended == "over":
        AlarmMessage.objects.update(deadline=now - timedelta(seconds=1))
    else:
        Alarm.objects.update(closed_at=now)
    client = as_organization(recipient.alarm.organization)
    assert refused(answer(client, recipient), 409, "alarmID")
    ids = {"alarmID": 0, "organizationID": recipient.alarm.organization_id}
    assert refused(answer(client, recipient, **ids), 409, "organizationID")
    assert not Feedback.objects.exists()

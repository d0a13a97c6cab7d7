"""What the scripts of the page that raises alarms ask: people of an organization, and what a template says."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from organizations.models import Membership, Organization, User
from tests.alarms.desk_raising import at_desk, boss_of
from tests.factories import AlarmTemplateFactory, GroupFactory, OrganizationFactory, UserFactory, admin, member

pytestmark = pytest.mark.django_db

PEOPLE = "/admin/alarms/alarmtemplate/people/"


@pytest.fixture
def desk(brigade: Organization) -> Client:
    return boss_of(brigade, first_name="Ada", last_name="Boss", login="ada")


def found(desk: Client, organization: Organization, text: str) -> list[str]:
    answer = desk.get(PEOPLE, {"organization": organization.pk, "q": text})
    assert answer.status_code == 200
    return [person["login"] for person in answer.json()["people"]]


def test_people_are_found_by_each_word_of_their_name_or_login(brigade: Organization, desk: Client) -> None:
    member(brigade, first_name="Anna", last_name="Zoll", login="az")
    member(brigade, first_name="Anna", last_name="Abel", login="aa")
    member(brigade, first_name="Bert", last_name="Hannah", login="bh")
    assert found(desk, brigade, "anna") == ["aa", "bh", "az"]
    assert found(desk, brigade, " ZOLL  an") == ["az"]
    assert found(desk, brigade, "bh") == ["bh"]
    assert found(desk, brigade, "nobody") == []
    answer = desk.get(PEOPLE, {"organization": brigade.pk, "q": "zoll"}).json()
    assert answer["people"] == [{"id": User.objects.get(login="az").pk, "name": "Anna Zoll", "login": "az"}]


@pytest.mark.parametrize("text", ["%", "_", "\\", "'", "\0", "x" * 5000, "a " * 5000, "🔥", "(("])
def test_whatever_is_searched_is_a_text(brigade: Organization, desk: Client, text: str) -> None:
    assert found(desk, brigade, text) == (["ada"] if not text.replace("\0", "").strip() or text[0] == "a" else [])


def test_only_active_members_are_found(brigade: Organization, desk: Client) -> None:
    member(brigade, login="gone", is_active=False)
    member(OrganizationFactory(), login="foreign")
    left = member(brigade, login="left")
    Membership.objects.filter(user=left).delete()
    assert found(desk, brigade, "") == ["ada"]


def test_20_of_5000_are_answered_with_as_many_queries(brigade: Organization, desk: Client) -> None:
    numbers = []
    for count in (1, 4999):
        first = User.objects.count()
        users = User.objects.bulk_create(User(login=f"many{first + number}") for number in range(count))
        Membership.objects.bulk_create(Membership(organization=brigade, user=user) for user in users)
        with CaptureQueriesContext(connection) as queries:
            logins = found(desk, brigade, "many")
        numbers.append(len(queries))
    assert len(logins) == 20
    # session, user, whose desk and by what clocks, the organization, people
    assert numbers[0] == numbers[1] < 10


def test_people_of_others_are_not_found(brigade: Organization, desk: Client) -> None:
    elsewhere = OrganizationFactory()
    member(elsewhere, login="foreign")
    for organization in (str(elsewhere.pk), "", "0", "x", "-1", "9" * 30, "\0", "\uff11"):
        assert desk.get(PEOPLE, {"organization": organization, "q": "f"}).status_code == 404
    assert desk.get(PEOPLE).status_code == 404
    assert desk.post(PEOPLE, {"organization": brigade.pk}).status_code == 405
    for user in (member(brigade), UserFactory(), admin(OrganizationFactory())):
        assert at_desk(user).get(PEOPLE, {"organization": brigade.pk}).status_code == 404
    assert Client().get(PEOPLE, {"organization": brigade.pk}).status_code == 302


def filling(desk: Client, template_id: object) -> Any:
    return desk.get(f"/admin/alarms/alarmtemplate/{template_id}/filling/")


def test_a_template_says_what_it_fills_in(brigade: Organization, desk: Client) -> None:
    stays, leaves = member(brigade, login="stays", first_name="", last_name=""), member(brigade)
    group = GroupFactory(organization=brigade)
    template = AlarmTemplateFactory(organization=brigade, message="Flood", event_name="W1")
    template.users.set([stays, leaves])
    template.groups.set([group])
    Membership.objects.filter(user=leaves).delete()
    assert filling(desk, template.pk).json() == {
        "text": "Flood",
        "event": "W1",
        "everybody": False,
        "groups": [group.pk],
        "users": [{"id": stays.pk, "name": "stays", "login": "stays"}],
    }


def test_those_of_others_say_nothing(brigade: Organization, desk: Client) -> None:
    foreign = AlarmTemplateFactory()
    for template_id in (foreign.pk, 10**15, 10**40):
        assert filling(desk, template_id).status_code == 404
    own = AlarmTemplateFactory(organization=brigade)
    assert filling(at_desk(member(brigade)), own.pk).status_code == 404
    assert desk.post(f"/admin/alarms/alarmtemplate/{own.pk}/filling/").status_code == 405

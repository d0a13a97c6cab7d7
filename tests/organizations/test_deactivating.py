"""Nobody is deleted in the admin: people are deactivated, and activated again."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from organizations.deactivating import LastSuperuser, deactivate_people
from organizations.models import Organization, PersonalAccessToken, User
from tests import factories

pytestmark = pytest.mark.django_db

LIST = reverse("admin:organizations_user_changelist")


@pytest.fixture
def brigade() -> Organization:
    organization: Organization = factories.OrganizationFactory()
    return organization


def url(name: str, person: User) -> str:
    return reverse(f"admin:organizations_user_{name}", args=[person.pk])


def logged_in(user: User) -> Client:
    User.objects.filter(pk=user.pk).update(is_staff=True)
    client = Client()
    client.force_login(user)
    return client


def is_active(person: User) -> bool:
    return User.objects.get(pk=person.pk).is_active


def selected(action: str, *people: User, **more: str) -> dict[str, object]:
    return {"action": action, "_selected_action": [person.pk for person in people], **more}


def test_a_person_is_deactivated_and_activated_again_and_the_log_says_so(admin_client: Client) -> None:
    person = factories.UserFactory()
    asked = admin_client.get(url("deactivate_person", person)).content.decode()
    assert "No alarm is sent to somebody who is not active" in asked
    assert is_active(person)
    admin_client.post(url("deactivate_person", person))
    assert not is_active(person)
    admin_client.get(url("activate_person", person))
    assert not is_active(person)
    admin_client.post(url("activate_person", person))
    assert is_active(person)
    log = LogEntry.objects.filter(object_id=str(person.pk)).order_by("pk")
    assert list(log.values_list("change_message", flat=True)) == ["Deactivated.", "Activated."]


def test_to_delete_is_to_deactivate(admin_client: Client) -> None:
    person = factories.UserFactory()
    delete = url("delete", person)
    assert delete not in admin_client.get(url("change", person)).content.decode()
    for method in (admin_client.get, admin_client.post):
        assert method(delete, {"post": "yes"}).url == url("deactivate_person", person)  # type: ignore[attr-defined]
    admin_client.post(LIST, selected("delete_selected", person, post="yes"))
    assert is_active(person)


def test_the_page_of_a_person_offers_what_can_be_done(admin_client: Client) -> None:
    person = factories.UserFactory()
    shown = admin_client.get(url("change", person)).content.decode()
    assert url("person_data", person) in shown
    assert url("deactivate_person", person) in shown
    assert url("activate_person", person) not in shown
    User.objects.filter(pk=person.pk).update(is_active=False)
    shown = admin_client.get(url("change", person)).content.decode()
    assert url("deactivate_person", person) not in shown
    assert url("activate_person", person) in shown


def test_several_are_deactivated_once_it_was_said_what_that_means(admin_client: Client) -> None:
    people = [factories.UserFactory() for _ in range(3)]
    asked = admin_client.post(LIST, selected("deactivate_people", *people[:2])).content.decode()
    assert str(people[0]) in asked
    assert str(people[2]) not in asked.partition("<main")[2]
    assert all(map(is_active, people))
    admin_client.post(LIST, selected("deactivate_people", *people[:2], confirmed="1"))
    assert [is_active(person) for person in people] == [False, False, True]
    admin_client.post(LIST, selected("activate_people", *people))
    assert all(map(is_active, people))


def test_all_of_a_list_are_deactivated_with_as_many_queries_as_few(admin_client: Client, admin_user: User) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            data = selected("deactivate_people", admin_user, confirmed="1", select_across="1")
            assert admin_client.post(LIST, data).status_code == 302
        return len(captured)

    people = [factories.UserFactory() for _ in range(2)]
    queries()
    User.objects.update(is_active=True)
    few = queries()
    people += [factories.UserFactory() for _ in range(60)]
    User.objects.update(is_active=True)
    assert queries() == few
    assert not any(map(is_active, people))
    assert is_active(admin_user)


def test_an_admin_deactivates_whom_their_organization_manages_and_nobody_else(brigade: Organization) -> None:
    client = logged_in(factories.admin(brigade))
    own = factories.member(brigade)
    managed_elsewhere = factories.MembershipFactory(organization=brigade).user
    User.objects.filter(pk=managed_elsewhere.pk).update(managing_organization=factories.OrganizationFactory())
    stranger = factories.member(factories.OrganizationFactory())
    assert client.post(url("deactivate_person", managed_elsewhere)).status_code == 403
    assert client.post(url("deactivate_person", stranger)).status_code == 302
    client.post(LIST, selected("deactivate_people", own, managed_elsewhere, stranger, confirmed="1"))
    assert [is_active(person) for person in (own, managed_elsewhere, stranger)] == [False, True, True]
    User.objects.filter(pk=managed_elsewhere.pk).update(is_active=False)
    client.post(LIST, selected("activate_people", own, managed_elsewhere))
    assert [is_active(person) for person in (own, managed_elsewhere)] == [True, False]


def test_nobody_deactivates_themselves(admin_client: Client, admin_user: User) -> None:
    assert admin_client.post(url("deactivate_person", admin_user)).status_code == 403
    admin_client.post(LIST, selected("deactivate_people", admin_user, confirmed="1"))
    change = {"login": admin_user.login, "language": "en"}
    admin_client.post(url("change", admin_user), change)
    assert is_active(admin_user)


def test_the_last_active_superuser_stays() -> None:
    last, other = factories.UserFactory(is_superuser=True), factories.UserFactory()
    with pytest.raises(LastSuperuser):
        deactivate_people(people=User.objects.all(), by=0)
    assert is_active(last)
    assert is_active(other)
    successor = factories.UserFactory(is_superuser=True)
    assert deactivate_people(people=User.objects.filter(pk=last.pk), by=successor.pk) == [last.pk]


def test_tokens_are_refused_and_are_not_revoked(admin_client: Client) -> None:
    person = factories.UserFactory()
    token, text = PersonalAccessToken.issue(name="phone", user=person)
    headers = {"Personal-Access-Token": text}
    admin_client.post(url("deactivate_person", person))
    assert Client().get("/api/v1/user", headers=headers).status_code == 401
    admin_client.post(url("activate_person", person))
    assert Client().get("/api/v1/user", headers=headers).status_code == 200
    token.refresh_from_db()
    assert token.revoked_at is None

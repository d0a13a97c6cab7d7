"""Templates of alarms in the admin: made, changed, deleted and raised, each organization's own."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from alarms.models import AlarmTemplate
from organizations.models import Membership, Organization
from tests.alarms.desk_raising import at_desk, boss_of, said
from tests.factories import AlarmTemplateFactory, GroupFactory, OrganizationFactory, UserFactory, admin, member

pytestmark = pytest.mark.django_db

LIST = "/admin/alarms/alarmtemplate/"


@pytest.fixture
def desk(brigade: Organization) -> Client:
    return boss_of(brigade)


def page_of(template: AlarmTemplate) -> str:
    return f"{LIST}{template.pk}/change/"


def form(organization: Organization | None = None, **fields: Any) -> dict[str, Any]:
    entered = {"name": "Flood", "event_name": "W1", "message": "Flood: come"} | fields
    return entered | ({"organization": organization.pk} if organization else {})


def test_a_template_is_made_with_whom_it_is_for(brigade: Organization, desk: Client) -> None:
    user, group = member(brigade), GroupFactory(organization=brigade)
    sent = form(brigade, all_users="on", users=[user.pk], groups=[group.pk], message="Flood:\r\ncome")
    assert desk.post(f"{LIST}add/", sent).status_code == 302
    made = AlarmTemplate.objects.get()
    assert (made.name, made.event_name, made.message, made.all_users) == ("Flood", "W1", "Flood:\ncome", True)
    assert (made.organization, list(made.users.all()), list(made.groups.all())) == (brigade, [user], [group])
    assert "Flood" in said(desk.get(LIST))


def test_it_is_changed_and_deleted(brigade: Organization, desk: Client) -> None:
    template = AlarmTemplateFactory(organization=brigade)
    template.users.set([member(brigade)])
    assert desk.post(page_of(template), form(name="Storm")).status_code == 302
    template.refresh_from_db()
    assert (template.name, template.message, template.users.count()) == ("Storm", "Flood: come", 0)
    assert desk.post(f"{LIST}{template.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not AlarmTemplate.objects.exists()


def test_its_organization_stays(brigade: Organization) -> None:
    other = OrganizationFactory()
    boss = admin(brigade)
    Membership.objects.create(user=boss, organization=other, role="admin")
    template = AlarmTemplateFactory(organization=brigade)
    assert at_desk(boss).post(page_of(template), form(other)).status_code == 302
    template.refresh_from_db()
    assert template.organization == brigade


@pytest.mark.parametrize("name", ["Flood", "  Flood "])
def test_a_name_is_there_once_in_an_organization(brigade: Organization, desk: Client, name: str) -> None:
    first = AlarmTemplateFactory(organization=brigade, name="Flood")
    second = AlarmTemplateFactory(organization=brigade, name="Storm")
    for page, sent in ((f"{LIST}add/", form(brigade, name=name)), (page_of(second), form(name=name))):
        assert said(desk.post(page, sent)).count("The organization has a template of this name already.") == 1
    assert desk.post(page_of(first), form(name=name)).status_code == 302
    elsewhere = OrganizationFactory()
    assert boss_of(elsewhere).post(f"{LIST}add/", form(elsewhere, name=name)).status_code == 302
    assert sorted(AlarmTemplate.objects.values_list("name", flat=True)) == ["Flood", "Flood", "Storm"]


@pytest.mark.parametrize(
    ("wrong", "naming"),
    [
        ({"name": ""}, "This field is required."),
        ({"name": "x" * 101}, "at most 100 characters"),
        ({"message": ""}, "This field is required."),
        ({"message": "x" * 961}, "at most 960 characters"),
        ({"message": "nul \0"}, "Null characters are not allowed."),
        ({"event_name": "x" * 256}, "at most 255 characters"),
        ({"users": ["x"]}, "is not a valid value"),
        ({"users": ["9" * 40]}, "is not one of the available choices"),
        ({"groups": ["4711"]}, "is not one of the available choices"),
    ],
)
def test_what_is_wrong_is_said(brigade: Organization, desk: Client, wrong: dict[str, Any], naming: str) -> None:
    template = AlarmTemplateFactory(organization=brigade, name="Old")
    for page, sent in ((f"{LIST}add/", form(brigade)), (page_of(template), form())):
        assert naming in said(desk.post(page, sent | wrong))
    assert list(AlarmTemplate.objects.values_list("name", flat=True)) == ["Old"]


def test_a_text_of_960_characters_is_taken_however_a_browser_sends_it(brigade: Organization, desk: Client) -> None:
    text = "\r\n".join(["🔥"] * 480) + "!"
    assert desk.post(f"{LIST}add/", form(brigade, message=text)).status_code == 302
    assert len(AlarmTemplate.objects.get().message) == 960


def test_of_several_organizations_one_is_chosen_first(brigade: Organization) -> None:
    boss = admin(brigade)
    Membership.objects.create(user=boss, organization=OrganizationFactory(), role="admin")
    client = at_desk(boss)
    assert "Groups and people are chosen once it is saved" in said(client.get(f"{LIST}add/"))
    assert 'data-name="users"' not in client.get(f"{LIST}add/").content.decode()
    assert 'data-name="users"' in client.get(f"{LIST}add/?organization={brigade.pk}").content.decode()
    answer = client.post(f"{LIST}add/", form(brigade))
    # Whom it is for is chosen on its page, which comes next.
    assert answer["Location"] == page_of(AlarmTemplate.objects.get())


# Raising


def test_its_page_and_the_list_lead_to_the_alarm(brigade: Organization, desk: Client) -> None:
    template = AlarmTemplateFactory(organization=brigade, message="Flood: come")
    address = f"/admin/alarms/alarm/add/?template={template.pk}"
    for page in (page_of(template), LIST):
        assert f'href="{address}"' in desk.get(page).content.decode()
    assert "Flood: come" in said(desk.get(address))


def test_its_page_says_who_is_left_out(brigade: Organization, desk: Client) -> None:
    stays, gone = member(brigade, login="stays"), member(brigade, login="gone", last_name="Secret")
    asleep = member(brigade, login="asleep", is_active=False)
    template = AlarmTemplateFactory(organization=brigade)
    template.users.set([stays])
    text = said(desk.get(page_of(template)))
    assert "left out" not in text
    template.users.set([stays, gone, asleep])
    Membership.objects.filter(user=gone).delete()
    text = said(desk.get(page_of(template)))
    assert "1 person who was chosen here has left the organization" in text
    assert "asleep" in text
    # Who they are now is not the organization's business.
    assert "Secret" not in text
    assert desk.post(page_of(template), form(users=[stays.pk, gone.pk])).status_code == 200
    assert desk.post(page_of(template), form(users=[stays.pk])).status_code == 302
    assert list(template.users.all()) == [stays]


# Whose


def test_those_of_others_are_as_if_they_were_not_there(brigade: Organization, desk: Client) -> None:
    foreign = AlarmTemplateFactory(name="Secret")
    assert "Secret" not in said(desk.get(LIST))
    for page in ("change", "delete", "history"):
        assert desk.get(f"{LIST}{foreign.pk}/{page}/").status_code == 302
        assert desk.post(f"{LIST}{foreign.pk}/{page}/", form(name="Mine")).status_code == 302
    desk.post(LIST, {"action": "delete_selected", "_selected_action": [foreign.pk], "post": "yes"})
    foreign.refresh_from_db()
    assert foreign.name == "Secret"


def test_nor_can_anything_of_others_be_chosen(brigade: Organization, desk: Client) -> None:
    elsewhere = OrganizationFactory()
    user, group = member(elsewhere), GroupFactory(organization=elsewhere)
    own = AlarmTemplateFactory(organization=brigade)
    for page, sent in ((f"{LIST}add/", form(brigade)), (page_of(own), form())):
        for foreign in ({"users": [user.pk]}, {"groups": [group.pk]}):
            assert desk.post(page, sent | foreign).status_code == 200
    assert desk.post(f"{LIST}add/", form(elsewhere)).status_code == 200
    assert desk.get(f"{LIST}add/?organization={elsewhere.pk}").status_code == 200
    assert list(AlarmTemplate.objects.all()) == [own]
    assert not own.users.exists()
    # To whom both belong, neither belongs to the other.
    assert at_desk(UserFactory(is_superuser=True)).post(page_of(own), form(users=[user.pk])).status_code == 200


def test_50_templates_take_as_many_queries_as_one(brigade: Organization, desk: Client) -> None:
    people = [member(brigade) for _ in range(3)]
    numbers = []
    for count in (1, 49):
        for _ in range(count):
            AlarmTemplateFactory(organization=brigade).users.set(people)
        for page in (LIST, page_of(AlarmTemplate.objects.all()[0])):
            with CaptureQueriesContext(connection) as queries:
                said(desk.get(page))
            numbers.append(len(queries))
    assert numbers[:2] == numbers[2:]
    assert max(numbers) < 30

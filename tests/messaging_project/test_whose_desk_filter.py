"""Lists can be filtered by organization, however many there are."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from organizations.models import Organization
from tests.factories import GroupFactory, MembershipFactory, OrganizationFactory, admin

pytestmark = pytest.mark.django_db

GROUPS = reverse("admin:organizations_group_changelist")
SEARCH = reverse("admin:autocomplete")


def found(client: Client, of: object) -> tuple[list[object], str]:
    answer = client.get(GROUPS, {"of": str(of)})
    return list(answer.context["cl"].result_list), answer.content.decode()


def test_a_few_are_offered_as_links(admin_client: Client) -> None:
    one, other = GroupFactory(), GroupFactory()
    page = admin_client.get(GROUPS).content.decode()
    for group in (one, other):
        assert f'href="?of={group.organization_id}"' in page
    assert found(admin_client, one.organization_id)[0] == [one]


def test_more_are_searched_while_one_types(admin_client: Client) -> None:
    Organization.objects.bulk_create(Organization(name=f"Brigade number {number}") for number in range(150))
    group, _other = GroupFactory(organization=Organization.objects.get(name="Brigade number 149")), GroupFactory()
    page = admin_client.get(GROUPS).content.decode()
    [field] = re.findall(r'<select name="of"[^>]*>', page)
    assert f'data-ajax--url="{SEARCH}"' in field
    assert "select2.init.js" in page
    names = dict(re.findall(r'data-(app-label|model-name|field-name)="(\w+)"', field))
    asked = {name.replace("-", "_"): value for name, value in names.items()}
    hits = admin_client.get(SEARCH, {**asked, "term": "number 149"}).json()["results"]
    assert hits == [{"id": str(group.organization_id), "text": "Brigade number 149"}]
    rows, page = found(admin_client, group.organization_id)
    assert rows == [group]
    assert f'<option value="{group.organization_id}" selected>Brigade number 149</option>' in page


def test_only_one_is_no_choice(client: Client) -> None:
    user = admin(OrganizationFactory(), is_staff=True)
    group = GroupFactory(organization=user.managing_organization)
    OrganizationFactory.create_batch(2)
    client.force_login(user)
    assert "of=" not in client.get(GROUPS).content.decode()
    assert found(client, group.organization_id)[0] == [group]


def test_an_admin_of_many_is_offered_those_alone(client: Client) -> None:
    user = admin(OrganizationFactory(), is_staff=True)
    for number in range(30):
        MembershipFactory(user=user, role="admin", organization__name=f"Own {number}")
    foreign = GroupFactory(organization__name="Foreign")
    client.force_login(user)
    rows, page = found(client, foreign.organization_id)
    assert rows == []
    assert '<select name="of"' in page
    assert "Foreign" not in page

"""Who is what in an organization (contract 1): one role in each, member or admin."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from organizations.models import Membership, User
from tests import factories

pytestmark = pytest.mark.django_db

ADD = reverse("admin:organizations_membership_add")


def told(admin_client: Client, **fields: object) -> dict[str, list[str]]:
    """Return what the admin says of a membership with these fields; nothing: it is made."""
    answer = admin_client.post(ADD, fields)
    errors: dict[str, list[str]] = {} if answer.status_code == 302 else answer.context["adminform"].form.errors
    return errors


def test_a_user_has_one_role_in_each_organization(admin_client: Client) -> None:
    membership = factories.MembershipFactory()
    user, elsewhere = membership.user, factories.OrganizationFactory()
    for role in Membership.Role.values:
        with pytest.raises(IntegrityError, match="one_membership_per_user_and_organization"), transaction.atomic():
            factories.MembershipFactory(organization=membership.organization, user=user, role=role)
        errors = told(admin_client, user=user.pk, organization=membership.organization_id, role=role)
        assert "already exists" in str(errors)
    assert told(admin_client, user=user.pk, organization=elsewhere.pk, role="admin") == {}
    roles = dict(user.memberships.values_list("organization", "role"))
    assert roles == {membership.organization_id: "member", elsewhere.pk: "admin"}


@pytest.mark.parametrize("role", ["chief", "Admin", "", "member,admin"])
def test_there_is_no_other_role_than_member_and_admin(admin_client: Client, role: str) -> None:
    organization, user = factories.OrganizationFactory(), factories.UserFactory()
    assert list(told(admin_client, user=user.pk, organization=organization.pk, role=role)) == ["role"]
    assert not Membership.objects.exists()


def test_a_role_that_changes_holds_from_the_next_request_on(as_user: Callable[[User], APIClient]) -> None:
    organization = factories.OrganizationFactory()
    user = factories.member(organization)
    client, path = as_user(user), f"/api/v1/organization/{organization.pk}/timeout"
    for role, status in (("admin", 200), ("member", 403)):
        Membership.objects.update(role=role)
        assert client.put(path, {"timeout": 60}, format="json").status_code == status
    Membership.objects.all().delete()
    assert client.put(path, {"timeout": 60}, format="json").status_code == 404

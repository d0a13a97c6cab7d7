"""What a principal may do: scopes every request to what its caller may know of (contract 1).

Raises: NotFound (404) for what the caller may not know of, PermissionDenied (403) for what it may know of but not do.
"""

from __future__ import annotations

from django.db import connection
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.request import Request

from organizations.authentication import OrganizationPrincipal, Principal
from organizations.models import Device, Membership, Organization, User
from organizations.rows import Columns

ORGANIZATION = Columns(Organization, "o")
MEMBERSHIP = f"""
    SELECT m.role, {ORGANIZATION.sql}
    FROM organizations_membership m JOIN organizations_organization o ON o.id = m.organization_id
    WHERE m.organization_id = %s AND m.user_id = %s AND o.is_active
"""  # noqa: S608 - made of constants

MANAGED_ELSEWHERE = "userID: this user is managed by another organization."


def principal(request: Request) -> Principal:
    """Return who asks; authentication has seen to it that there is somebody."""
    asking = request.user
    assert isinstance(asking, User | OrganizationPrincipal)
    return asking


def principal_key(asking: Principal) -> str:
    """Return what tells a principal from every other: an organization is one, whichever of its tokens is used."""
    if isinstance(asking, OrganizationPrincipal):
        return f"organization {asking.organization.pk}"
    return f"user {asking.pk}"


def acting_user(request: Request) -> User:
    """Return the user who asks; an API token is refused, as it is no user."""
    asking = principal(request)
    if isinstance(asking, OrganizationPrincipal):
        raise PermissionDenied("This request is about a user: an API token cannot make it.")
    return asking


def visible_organization(
    request: Request, organization_id: int, *, field: str = "organizationID"
) -> tuple[Organization, bool]:
    """Return the organization, and whether the caller may administer it (an admin or its API token).

    `field` is how the request calls the id, for the error.
    """
    asking = principal(request)
    if isinstance(asking, OrganizationPrincipal):
        if asking.organization.pk != organization_id:
            raise NotFound(f"{field}: there is no organization {organization_id}.")
        return asking.organization, True
    with connection.cursor() as cursor:
        cursor.execute(MEMBERSHIP, [organization_id, asking.pk])
        membership = cursor.fetchone()
    if membership is None:
        raise NotFound(f"{field}: there is no organization {organization_id}.")
    role, *organization = membership
    return ORGANIZATION.instance(organization), role == Membership.Role.ADMIN


def administered_organization(request: Request, organization_id: int) -> Organization:
    """Return the organization if the caller may administer it."""
    organization, may_administer = visible_organization(request, organization_id)
    if not may_administer:
        raise PermissionDenied("Only an admin of the organization or its API token may do this.")
    return organization


def member_of(organization: Organization, user_id: int) -> User:
    """Return the organization's member with this id."""
    user = User.objects.filter(pk=user_id, memberships__organization=organization).first()
    if user is None:
        raise NotFound(f"userID: the organization has no member {user_id}.")
    return user


def user_in_scope(request: Request, *, user_id: int, organization_id: int, to_change: bool) -> User:
    """Return the user whose escalation or devices are asked for: the caller, or a member of an organization that they
    administer.

    Only admins of the organization that manages a user may change theirs (contract 1).
    """
    caller = acting_user(request)
    if user_id in (0, caller.pk):
        return caller
    if not organization_id:
        if not User.objects.filter(pk=user_id, memberships__organization__memberships__user=caller).exists():
            raise NotFound(f"userID: there is no user {user_id}.")
        raise PermissionDenied("userID: about another user, name an organization that you administer.")
    organization = administered_organization(request, organization_id)
    user = member_of(organization, user_id)
    if to_change and user.managing_organization_id != organization.pk:
        raise PermissionDenied(MANAGED_ELSEWHERE)
    return user


def device_in_scope(request: Request, device_id: int) -> Device:
    """Return the device that is to be changed: the caller's, or one of a member whom an organization manages that they
    administer. Of a member's devices, admins of the other organizations only know."""
    caller = acting_user(request)
    device = Device.objects.select_related("user__managing_organization").filter(pk=device_id).first()
    if device is None:
        raise NotFound(f"id: there is no device {device_id}.")
    if device.user_id == caller.pk:
        return device
    administered = caller.memberships.filter(role=Membership.Role.ADMIN, organization__is_active=True)
    shared = set(
        administered.filter(organization__memberships__user=device.user_id).values_list("organization_id", flat=True)
    )
    if not shared:
        raise NotFound(f"id: there is no device {device_id}.")
    if device.user.managing_organization_id not in shared:
        raise PermissionDenied(MANAGED_ELSEWHERE)
    return device

"""Whose desk it is: of which organizations an administrator sees rows in the admin, and of which people what.

Superusers see and change everything. Anybody else who may log in sees what belongs to the active organizations that
they are an admin of, and nothing without such an organization. Nothing else gives a right, no permission of Django's.
"""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest

from organizations.models import Membership, Organization, User


def administered(request: HttpRequest) -> frozenset[int] | None:
    """Return the ids of the organizations whose rows the caller sees and changes, None for those of all."""
    user = request.user
    if not isinstance(user, User) or not user.is_active:
        return frozenset()
    return None if user.is_superuser else user.administered_ids


def administered_organizations(request: HttpRequest) -> QuerySet[Organization]:
    """Return the organizations whose rows the caller sees and changes."""
    mine = administered(request)
    organizations = Organization.objects.all()
    return organizations if mine is None else organizations.filter(pk__in=mine)


def has_a_desk(request: HttpRequest) -> bool:
    """Whether there is anything for the caller to see."""
    return administered(request) != frozenset()


def is_superuser(request: HttpRequest) -> bool:
    return administered(request) is None


def people_of(organizations: Collection[int]) -> Q:
    """Return which users admins of these organizations know: their members, and those whom they manage."""
    members = Membership.objects.filter(user=OuterRef("pk"), organization__in=organizations)
    return Q(Exists(members)) | Q(managing_organization__in=organizations)


def managed_by(organizations: Collection[int]) -> Q:
    """Return of which users admins of these organizations change names, devices and escalation (contract 1)."""
    return Q(managing_organization__in=organizations, is_superuser=False)


def account_of(organizations: Collection[int]) -> Q:
    """Return whose login, password and tokens admins of these organizations may set: those of whom they manage, unless
    the account would open to them what is another organization's, as that of a member of it."""
    elsewhere = Membership.objects.filter(user=OuterRef("pk")).exclude(organization__in=organizations)
    return managed_by(organizations) & ~Q(Exists(elsewhere))

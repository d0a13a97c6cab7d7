"""The demo organization: four people with every way of alarm, and an escalation short enough to watch."""

from __future__ import annotations

from typing import NamedTuple

from django.db import transaction

from alarms.models import AlarmTemplate
from escalations.models import EscalationConfiguration
from escalations.plan import Entry
from organizations.models import Device, Group, Membership, Organization, User

NAME = "Demo fire brigade"
ENTRIES = [Entry("app", 0), Entry("pager", 0), Entry("email", 3), Entry("sms", 3), Entry("call", 3)]


class Person(NamedTuple):
    login: str
    first_name: str
    last_name: str
    language: str
    role: str
    group: str
    ways: dict[str, str]


# Numbers and domains that are reserved for examples: nobody is rung.
PEOPLE = [
    Person(
        "anna", "Anna", "Admin", "en", "admin", "Command",
        {"app": "anna-phone", "email": "anna@demo.example", "sms": "+493023125001", "call": "+493023125001"},
    ),
    Person(
        "ben", "Ben", "Brand", "de", "member", "Engine 1",
        {"pager": "1204711", "email": "ben@demo.example", "sms": "+493023125002"},
    ),
    Person("carla", "Carla", "Crew", "en", "member", "Engine 1", {"sms": "+493023125003", "call": "+493023125003"}),
    Person("dora", "Dora", "Dienst", "de", "member", "Engine 2", {"app": "dora-phone", "call": "+493023125004"}),
]  # fmt: skip


@transaction.atomic
def load_demo() -> Organization:
    """Make the demo organization, once; return it."""
    organization, created = Organization.objects.get_or_create(name=NAME)
    if not created:
        return organization
    EscalationConfiguration.objects.replace(ENTRIES, owner=organization)
    for person in PEOPLE:
        user = User.objects.filter(login=person.login).first() or User.objects.create_user(
            login=person.login,
            first_name=person.first_name,
            last_name=person.last_name,
            email=person.ways.get("email", ""),
            language=person.language,
            managing_organization=organization,
        )
        membership = Membership.objects.create(user=user, organization=organization, role=person.role)
        group, _created = Group.objects.get_or_create(organization=organization, name=person.group)
        group.memberships.add(membership)
        if user.managing_organization == organization:
            Device.objects.bulk_create(
                Device(user=user, way=way, name=f"{person.first_name}'s {way}", address=address)
                for way, address in person.ways.items()
            )
    load_template(organization)
    return organization


def load_template(organization: Organization) -> None:
    """Make a template of alarms, for a group and its boss."""
    template = AlarmTemplate.objects.create(
        organization=organization, name="Fire, small", event_name="B1", message="Fire: come to the station"
    )
    template.groups.set(organization.groups.filter(name="Engine 1"))
    template.users.set(User.objects.filter(memberships__organization=organization, login="anna"))

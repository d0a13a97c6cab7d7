"""Factories that make valid objects by default."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import factory
from django.db import connection
from django.db.models import Model
from django.utils import timezone
from factory.django import DjangoModelFactory

from alarms.models import Alarm, AlarmMessage, AlarmTemplate, DeviceMessage, OrganizationGateway
from escalations.models import EscalationConfiguration
from escalations.plan import Entry
from inbox.models import InboxMessage, Message
from organizations.models import Device, Group, Membership, Organization, User


class OrganizationFactory(DjangoModelFactory[Organization]):
    class Meta:
        model = Organization

    name = factory.Sequence("Brigade {}".format)


class UserFactory(DjangoModelFactory[User]):
    """A user without memberships; see `member` and `admin`."""

    class Meta:
        model = User

    login = factory.Sequence("user{}".format)
    first_name = "Alex"
    last_name = factory.Sequence("Example {}".format)
    email = factory.LazyAttribute(lambda user: f"{user.login}@example.org")
    language = "en"


class MembershipFactory(DjangoModelFactory[Membership]):
    class Meta:
        model = Membership

    organization = factory.SubFactory(OrganizationFactory)
    user = factory.SubFactory(UserFactory, managing_organization=factory.SelfAttribute("..organization"))


class GroupFactory(DjangoModelFactory[Group]):
    class Meta:
        model = Group

    organization = factory.SubFactory(OrganizationFactory)
    name = factory.Sequence("Platoon {}".format)


class DeviceFactory(DjangoModelFactory[Device]):
    class Meta:
        model = Device

    user = factory.SubFactory(UserFactory)
    way = "sms"
    name = factory.LazyAttribute(lambda device: f"My {device.way}")
    address = factory.Sequence(lambda number: f"+49151{number:08d}")


class AlarmFactory(DjangoModelFactory[Alarm]):
    class Meta:
        model = Alarm

    organization = factory.SubFactory(OrganizationFactory)
    message = "Fire in the hall"
    raised_by = "a test"
    starts_at = factory.LazyFunction(timezone.now)
    response_timeout = 900
    organization_escalation = False


class AlarmMessageFactory(DjangoModelFactory[AlarmMessage]):
    class Meta:
        model = AlarmMessage

    alarm = factory.SubFactory(AlarmFactory)
    user = factory.SubFactory(UserFactory)
    planned_at = factory.SelfAttribute("alarm.starts_at")
    deadline = factory.LazyAttribute(
        lambda message: message.alarm.starts_at + timedelta(seconds=message.alarm.response_timeout)
    )


class DeviceMessageFactory(DjangoModelFactory[DeviceMessage]):
    class Meta:
        model = DeviceMessage

    alarm_message = factory.SubFactory(AlarmMessageFactory)
    alarm = factory.SelfAttribute("alarm_message.alarm")
    device = factory.SubFactory(
        DeviceFactory, user=factory.SelfAttribute("..alarm_message.user"), way=factory.SelfAttribute("..way")
    )
    device_name = factory.SelfAttribute("device.name")
    address = factory.SelfAttribute("device.address")
    way = "sms"
    turn = 0
    due_at = factory.SelfAttribute("alarm.starts_at")


class AlarmTemplateFactory(DjangoModelFactory[AlarmTemplate]):
    """A template that is for nobody yet."""

    class Meta:
        model = AlarmTemplate

    organization = factory.SubFactory(OrganizationFactory)
    name = factory.Sequence("Template {}".format)
    message = factory.LazyAttribute(lambda template: f"{template.name}: come")


class MessageFactory(DjangoModelFactory[Message]):
    """A message in nobody's inbox; see `InboxMessageFactory`."""

    class Meta:
        model = Message

    sender = factory.SubFactory(UserFactory)
    text = factory.Sequence("Drill {} at the harbour".format)
    # As the service keeps it: in whole seconds.
    sent_at = factory.LazyFunction(lambda: timezone.now().replace(microsecond=0))


class InboxMessageFactory(DjangoModelFactory[InboxMessage]):
    class Meta:
        model = InboxMessage

    message = factory.SubFactory(MessageFactory)
    user = factory.SubFactory(UserFactory)


def member(organization: Organization, *, ways: tuple[str, ...] = (), role: str = "member", **user: Any) -> User:
    """Return a user whom the organization manages, with a device for each of `ways`."""
    created = UserFactory(managing_organization=organization, **user)
    MembershipFactory(organization=organization, user=created, role=role)
    for way in ways:
        DeviceFactory(user=created, way=way)
    return created


def admin(organization: Organization, **user: Any) -> User:
    return member(organization, role="admin", **user)


def escalation(owner: User | Organization, *entries: tuple[str, int]) -> None:
    """Give a user or an organization a configuration."""
    EscalationConfiguration.objects.replace([Entry(*entry) for entry in entries], owner=owner)


def analyze(*models: type[Model]) -> None:
    """Tell the planner of rows that were made by the thousand, as autovacuum does within a minute.

    Else it may go by what it learned when another test had been rolled back: that there are none.
    """
    with connection.cursor() as cursor:
        for model in models:
            cursor.execute(f"ANALYZE {model._meta.db_table}")


def take_back(organization: Organization) -> None:
    """Let an organization use the service's gateways for SMS again, as deleting its own in the admin does."""
    OrganizationGateway.objects.filter(organization=organization, way="sms").delete()

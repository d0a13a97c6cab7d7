"""What the tool of conformance.py asks for: an organization, and another of which nobody who asks may see anything."""

from __future__ import annotations

from typing import Any, NamedTuple

from alarms.models import Alarm, AlarmMessage, DeviceMessage, Feedback, Hook, HookEvent
from escalations.models import EscalationConfiguration, ResponseTimeout
from inbox.models import InboxMessage, Message
from organizations.models import Absence, ApiToken, Device, Organization, PersonalAccessToken, User
from tests import factories
from tests.messaging_project.things import URL, absence_of, hook_of, key_of, sent_to

SECRET = "of-the-other-brigade"
MESSAGES = 40
ENTRIES = 12
SIGNING = ("gateway", "twilio")


class World(NamedTuple):
    organization: Organization
    elsewhere: Organization
    member: User
    admin: User
    foreigner: User
    known: dict[str, list[Any]]

    def user(self, principal: str) -> User:
        """Return who asks; of an organization or nobody, who have no inbox, whose messages they ask for."""
        return self.admin if principal == "admin" else self.member

    def headers(self, principal: str) -> tuple[str, ...]:
        """Return the options that say who asks; who signs does so by the hooks."""
        if principal in (*SIGNING, "nobody"):
            return ()
        if principal == "organization":
            return ("--header", f"API-TOKEN: {ApiToken.issue(name='test', organization=self.organization)[1]}")
        token = PersonalAccessToken.issue(name="test", user=self.user(principal))[1]
        return ("--header", f"Personal-Access-Token: {token}")

    def known_to(self, principal: str) -> dict[str, list[Any]]:
        """Return what is asked for: what is the caller's and, as of every kind, what is another's. But for those who
        speak for the whole service, who may say something of everybody's."""
        asking = (self.user(principal), self.foreigner)

        def of_users(rows: Any) -> list[int]:
            return [row.pk for row in rows.filter(user__in=asking).order_by("pk")]

        # Of devices those whose way takes any address.
        devices = of_users(Device.objects.filter(way__in=("app", "pager")))
        both = (self.organization, self.elsewhere)
        sent = DeviceMessage.objects.filter(alarm__organization__in=both[:1] if principal in SIGNING else both)
        sent = sent.select_related("alarm_message").order_by("pk")
        return self.known | {
            # The caller first and second, as it is small numbers that are generated most.
            "users": [self.user(principal).pk] * 2 + [self.member.pk, self.admin.pk],
            "messages": of_users(InboxMessage.objects),
            "devices": devices,
            "absences": of_users(Absence.objects),
            "hooks": [hook.pk for hook in Hook.objects.filter(organization__in=both).order_by("pk")],
            "keys": [key_of(message) for message in sent],
            "codes": [message.alarm_message.code for message in sent],
            "numbers": [message.address for message in sent],
        }


def make_world() -> World:
    """Write what is asked for. In a database that has other worlds it is one more."""
    organization = factories.OrganizationFactory()
    elsewhere = factories.OrganizationFactory(name=f"Brigade {SECRET} {organization.pk}")
    member = factories.member(organization, ways=("app", "sms"))
    admin = factories.admin(organization, ways=("pager", "call"))
    group = factories.GroupFactory(organization=organization)
    group.memberships.set(organization.memberships.all())
    foreigner = factories.member(elsewhere, ways=("app", "sms"), first_name=SECRET)
    factories.GroupFactory(organization=elsewhere, name=SECRET)
    factories.AlarmTemplateFactory(organization=elsewhere, name=SECRET)
    alarms = []
    for owner, recipients in ((organization, (member, admin)), (elsewhere, (foreigner,))):
        alarm = factories.AlarmFactory(organization=owner, message=SECRET if owner == elsewhere else "Fire")
        for user in recipients:
            sent_to(factories.AlarmMessageFactory(alarm=alarm, user=user))
        alarms.append(alarm.pk)
    write_entries(organization, elsewhere, of=(member, admin), foreigner=foreigner)
    write_messages(organization, elsewhere, to=(member, admin), foreigner=foreigner)
    factories.escalation(organization, ("app", 0), ("sms", 60))
    factories.escalation(elsewhere, ("call", 77))
    known = {
        # What is another organization's is asked for too: it must not be told apart from what is not there.
        "organizations": [organization.pk] * 4 + [elsewhere.pk],
        "units": [group.pk],
        "templates": [factories.AlarmTemplateFactory(organization=organization).pk],
        "alarms": [alarms[0]] * 4 + [alarms[1]],
    }
    return World(organization, elsewhere, member, admin, foreigner, known)


def write_entries(
    organization: Organization, elsewhere: Organization, *, of: tuple[User, ...], foreigner: User
) -> None:
    """Write devices, absences and hooks: many are removed, and of none there may be too many."""
    for number in range(ENTRIES):
        for user in of:
            factories.DeviceFactory(user=user, way=("app", "pager")[number % 2])
            absence_of(user, organization=organization, weekly=True)
        hook_of(organization, url=f"{URL}hook")
        if number % 4 == 0:
            factories.DeviceFactory(user=foreigner, way="app", address=f"{number} {SECRET}")
            absence_of(foreigner, organization=elsewhere)
            hook_of(elsewhere, url=f"{URL}{SECRET}")


def write_messages(
    organization: Organization, elsewhere: Organization, *, to: tuple[User, ...], foreigner: User
) -> None:
    """Fill inboxes: many are deleted. Who has sent them is in both organizations, and in a group of each."""
    sender = factories.member(organization)
    factories.MembershipFactory(organization=elsewhere, user=sender)
    for owner, name in ((organization, "Divers"), (elsewhere, f"Divers {SECRET}")):
        group = factories.GroupFactory(organization=owner, name=name)
        group.memberships.set(owner.memberships.filter(user=sender))
    for number in range(MESSAGES):
        message = factories.MessageFactory(sender=sender, translations={"de": "Übung"})
        for user in to:
            factories.InboxMessageFactory(message=message, user=user)
        if number % 4 == 0:
            factories.InboxMessageFactory(message__sender=sender, message__text=SECRET, user=foreigner)


def state_of(organization: Organization) -> list[object]:
    """Return what an organization that is not the caller's must still be afterwards."""
    alarms = Alarm.objects.filter(organization=organization)
    return [
        list(alarms.order_by("pk").values()),
        list(Feedback.objects.filter(alarm_message__alarm__in=alarms).values()),
        EscalationConfiguration.objects.entries_of(organization),
        ResponseTimeout.in_force(organization),
        Organization.objects.values().get(pk=organization.pk),
        list(AlarmMessage.objects.filter(alarm__in=alarms).order_by("pk").values()),
        list(DeviceMessage.objects.filter(alarm__in=alarms).order_by("pk").values()),
        list(Hook.objects.filter(organization=organization).order_by("pk").values()),
        list(HookEvent.objects.filter(hook__organization=organization).values()),
        list(Device.objects.filter(user__managing_organization=organization).order_by("pk").values()),
        list(Absence.objects.filter(user__managing_organization=organization).order_by("pk").values()),
        list(User.objects.filter(managing_organization=organization).values()),
        list(InboxMessage.objects.filter(user__managing_organization=organization).order_by("pk").values()),
        list(Message.objects.filter(text=SECRET).order_by("pk").values()),
    ]

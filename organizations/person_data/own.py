"""What this app holds about people: who they are, their memberships, devices, absences and tokens, and the history of
these."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.contrib.auth.hashers import make_password
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from organizations.logging_in import digest_of
from organizations.models import (
    Absence,
    Device,
    LogInAttempt,
    MembersFile,
    Membership,
    PersonalAccessToken,
    SecondFactor,
    User,
    default_language,
)
from organizations.person_data import logs
from organizations.person_data.parts import Fate, Part, Person, Scope, Section, fields_of

GOES = "goes"
EMPTIED = "emptied"
STAYS = "stays: the number alone, which hangs nameless rows together"

PERSONAL = {
    "organizations.User.login": "erased-<id> stands in its place",
    "organizations.User.password": "made unusable",
    "organizations.User.first_name": EMPTIED,
    "organizations.User.last_name": EMPTIED,
    "organizations.User.email": EMPTIED,
    "organizations.User.description": EMPTIED,
    "organizations.User.language": "the default",
    "organizations.User_groups.user": GOES,
    "organizations.User_user_permissions.user": GOES,
    "organizations.Membership.user": GOES,
    "organizations.Device.user": GOES,
    "organizations.Device.name": GOES,
    "organizations.Device.address": GOES,
    "organizations.Absence.user": GOES,
    "organizations.PersonalAccessToken.user": GOES,
    "organizations.PersonalAccessToken.name": GOES,
    "organizations.PersonalAccessToken.prefix": GOES,
    "organizations.PersonalAccessToken.digest": GOES,
    "organizations.MembersFile.user": GOES,
    "organizations.MembersFile.content": "goes, whoever has brought it: it is encrypted, so nobody knows whom it names",
    "organizations.LogInAttempt.login": GOES,
    "organizations.LogInAttempt.source": GOES,
    "organizations.SecondFactor.user": GOES,
    "organizations.SecondFactor.secret": GOES,
    "organizations.SecondFactor.recovery_digests": GOES,
    "organizations.DeviceEvent.user": STAYS,
    "organizations.DeviceEvent.name": EMPTIED,
    "organizations.DeviceEvent.address": EMPTIED,
    "organizations.MembershipEvent.user": STAYS,
    "organizations.PersonalAccessTokenEvent.user": STAYS,
    "organizations.PersonalAccessTokenEvent.name": EMPTIED,
    "organizations.PersonalAccessTokenEvent.prefix": EMPTIED,
    **logs.PERSONAL,
}

OF_ORGANIZATION = "what an organization calls its own"
NOT_PERSONAL = {
    "organizations.Organization": OF_ORGANIZATION,
    "organizations.OrganizationEvent": OF_ORGANIZATION,
    "organizations.Group": OF_ORGANIZATION,
    "organizations.ApiToken": "speaks for an organization",
    "organizations.ApiTokenEvent": "speaks for an organization",
    **logs.NOT_PERSONAL,
}


def events_of(model: str, person: Person) -> Any:
    """Return the history of a model's rows that are, or were, a person's."""
    return apps.get_model("organizations", model)._default_manager.filter(user_id=person.pk).order_by("pgh_id")


def sections(person: Person, scope: Scope) -> Iterator[Section]:
    pk = person.pk
    memberships = Membership.objects.filter(scope.within(), user=pk).order_by("pk")
    yield Section(
        "memberships",
        _("Memberships and groups"),
        Fate.GOES,
        memberships.select_related("organization").prefetch_related("groups"),
        membership,
    )
    yield Section("devices", _("Devices"), Fate.GOES, Device.objects.filter(user=pk).order_by("pk"))
    absences = Absence.objects.filter(scope.within() | Q(organization=None), user=pk)
    yield Section("absences", _("Absences"), Fate.GOES, absences.order_by("pk"))
    if scope.account:
        tokens = PersonalAccessToken.objects.filter(user=pk).order_by("pk")
        yield Section("tokens", _("Personal access tokens"), Fate.GOES, tokens, token)
        attempts = LogInAttempt.objects.filter(login=digest_of(person.user.login)).order_by("pk")
        yield Section("log_in_attempts", _("Failed log-ins of the last day"), Fate.GOES, attempts, log_in_attempt)
    files = MembersFile.objects.filter(scope.within(), user=pk).order_by("pk")
    yield Section("members_files", _("Files of members that they are about to import"), Fate.GOES, files, members_file)
    yield Section("device_history", _("History of the devices"), Fate.BARE, events_of("DeviceEvent", person))
    yield Section(
        "membership_history",
        _("History of the memberships"),
        Fate.STAYS,
        events_of("MembershipEvent", person).filter(scope.within()),
    )
    if scope.account:
        of_tokens = events_of("PersonalAccessTokenEvent", person)
        yield Section("token_history", _("History of the tokens"), Fate.BARE, of_tokens)
    if scope.is_complete:
        yield from logs.sections(person)


def membership(row: Membership) -> dict[str, Any]:
    groups = [{"id": group.pk, "name": group.name} for group in row.groups.all()]
    return {**fields_of(row), "organization": row.organization.name, "groups": groups}


def token(row: PersonalAccessToken) -> dict[str, Any]:
    return fields_of(row, without=["digest"])


def log_in_attempt(row: LogInAttempt) -> dict[str, Any]:
    return fields_of(row, without=["login"])


def members_file(row: MembersFile) -> dict[str, Any]:
    # What is in it is about others.
    return fields_of(row, without=["content"])


def erase(person: Person) -> None:
    logs.erase_log(person)
    pk = person.pk
    for model in (Membership, Device, Absence, PersonalAccessToken, SecondFactor):
        model._default_manager.filter(user=pk).delete()
    LogInAttempt.objects.filter(login=digest_of(person.user.login)).delete()
    MembersFile.objects.all().delete()
    person.user.groups.clear()
    person.user.user_permissions.clear()
    # Only now: the deletions have been written into the history too.
    events_of("DeviceEvent", person).update(name="", address="")
    events_of("PersonalAccessTokenEvent", person).update(name="", prefix="")
    logs.erase_contexts(person)
    erase_user(person.user)


def erase_user(user: User) -> None:
    # The last thing: a new login makes whoever writes a row about this person wait until the end. Once more when it is
    # done again, as somebody may have written back what they had read before.
    User.objects.filter(pk=user.pk).update(
        login=nameless_login(user.pk),
        first_name="",
        last_name="",
        email="",
        description="",
        language=default_language(),
        inbox_to_email=False,
        password=make_password(None) if user.has_usable_password() else user.password,
        last_login=None,
        second_factor_at=None,
        is_active=False,
        is_staff=False,
        is_superuser=False,
        erased_at=user.erased_at or timezone.now(),
    )


def nameless_login(pk: int) -> str:
    """Return a login that says nothing, and that nobody has."""
    login, number = f"erased-{pk}", 1
    while User.objects.filter(login=login).exclude(pk=pk).exists():
        login, number = f"erased-{pk}-{number}", number + 1
    return login


PART = Part(sections=sections, erase=erase, personal=PERSONAL, not_personal=NOT_PERSONAL)

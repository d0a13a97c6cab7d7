"""The teams of a plan as rows of the service, and the tokens with which clients ask."""

from __future__ import annotations

from dataclasses import dataclass, field

from escalations.models import EscalationConfiguration, ResponseTimeout
from escalations.plan import Entry
from organizations import models
from tests.chaos.people import Entries, Person, Team
from tests.chaos.sinks import mail_of


@dataclass
class World:
    """By the names in the plan."""

    teams: dict[str, int] = field(default_factory=dict)
    groups: dict[tuple[str, str], int] = field(default_factory=dict)
    users: dict[str, int] = field(default_factory=dict)
    team_tokens: dict[str, str] = field(default_factory=dict)
    user_tokens: dict[str, str] = field(default_factory=dict)

    @property
    def logins(self) -> dict[int, str]:
        return {user_id: login for login, user_id in self.users.items()}


def make(teams: tuple[Team, ...]) -> World:
    world = World()
    for team in teams:
        organization = models.Organization.objects.create(name=team.name)
        ResponseTimeout.objects.create(organization=organization, seconds=team.timeout)
        _escalate(organization, team.escalation)
        world.teams[team.name] = organization.pk
        _token, world.team_tokens[team.name] = models.ApiToken.issue(name="chaos", organization=organization)
        for person in team.people:
            _make_person(world, person, organization)
        for name, logins in team.groups.items():
            group = models.Group.objects.create(organization=organization, name=name)
            group.memberships.set(organization.memberships.filter(user__login__in=logins))
            world.groups[team.name, name] = group.pk
    return world


def _make_person(world: World, person: Person, organization: models.Organization) -> None:
    user = models.User.objects.create(
        login=person.login,
        last_name=person.login,
        email=mail_of(person.login),
        inbox_to_email=person.wants_copies,
        managing_organization=organization,
    )
    models.Membership.objects.create(organization=organization, user=user)
    models.Device.objects.bulk_create(
        models.Device(user=user, way=each.way, name=each.name, address=each.address) for each in person.devices
    )
    _escalate(user, person.escalation)
    world.users[person.login] = user.pk
    _token, world.user_tokens[person.login] = models.PersonalAccessToken.issue(name="chaos", user=user)


def _escalate(owner: models.User | models.Organization, entries: Entries) -> None:
    EscalationConfiguration.objects.replace([Entry(*entry) for entry in entries], owner=owner)

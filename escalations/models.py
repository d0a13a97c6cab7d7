"""In what order and how long: escalation configurations and response timeouts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pghistory
from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import connection, models, transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from escalations.plan import Entry
from organizations.models import Organization, User, Way

MAX_ENTRIES = 20
MAX_DELAY = 86400  # seconds
MIN_TIMEOUT, MAX_TIMEOUT = 10, 86400  # seconds

ENTRIES = {
    owner: f"""
        SELECT e.wayofalarm, e.delay
        FROM escalations_escalationconfiguration c JOIN escalations_escalation e ON e.configuration_id = c.id
        WHERE c.{owner}_id = %s
        ORDER BY e.position
    """  # noqa: S608 - made of constants
    for owner in ("user", "organization")
}


def _of(owner: User | Organization) -> dict[str, Any]:
    return {"user" if isinstance(owner, User) else "organization": owner}


class EscalationConfigurationQuerySet(models.QuerySet["EscalationConfiguration"]):
    def replace(self, entries: Sequence[Entry], *, owner: User | Organization) -> None:
        """Make `entries` the owner's whole list, in one transaction; an empty list removes the configuration."""
        if not entries:
            self.remove(owner=owner)
            return
        with transaction.atomic():
            configuration, _created = self.select_for_update().get_or_create(**_of(owner))
            configuration.entries.all().delete()
            Escalation.objects.bulk_create(
                Escalation(configuration=configuration, position=position, wayofalarm=way, delay=delay)
                for position, (way, delay) in enumerate(entries)
            )

    def remove(self, *, owner: User | Organization) -> list[Entry]:
        """Remove the owner's configuration and return the list it had, empty where there was none."""
        with transaction.atomic():
            # Locked before anything of it is read: a list that is being replaced right now is removed whole.
            configuration = self.select_for_update().filter(**_of(owner)).first()
            if configuration is None:
                return []
            entries = self.entries_of(owner)
            configuration.delete()
        return entries

    def entries_of(self, owner: User | Organization) -> list[Entry]:
        """Return the owner's list in order, empty where there is no configuration."""
        of = "user" if isinstance(owner, User) else "organization"
        with connection.cursor() as cursor:
            cursor.execute(ENTRIES[of], [owner.pk])
            return [Entry(*row) for row in cursor.fetchall()]


def default_entries() -> list[Entry]:
    """Return the list in force for users without a configuration (setting DEFAULT_ESCALATION)."""
    return [Entry(way, delay) for way, delay in settings.DEFAULT_ESCALATION]


@pghistory.track()
class EscalationConfiguration(models.Model):
    """The ways of alarm of one user, or those that an organization prescribes for its alarms."""

    user = models.OneToOneField(
        User, null=True, blank=True, on_delete=models.CASCADE, related_name="escalation", verbose_name=_("person")
    )
    organization = models.OneToOneField(
        Organization,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="escalation",
        verbose_name=_("organization"),
    )

    objects = EscalationConfigurationQuerySet.as_manager()

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(user=None, organization__isnull=False) | Q(user__isnull=False, organization=None),
                name="escalation_of_a_user_or_an_organization",
                violation_error_message=_("Choose a user or an organization, not both."),
            ),
        )
        verbose_name = _("escalation")
        verbose_name_plural = _("escalations")

    def __str__(self) -> str:
        return _("Escalation of %(owner)s") % {"owner": self.user or self.organization}


@pghistory.track()
class Escalation(models.Model):
    """One entry of a configuration."""

    configuration = models.ForeignKey(
        EscalationConfiguration, on_delete=models.CASCADE, related_name="entries", verbose_name=_("configuration")
    )
    position = models.PositiveSmallIntegerField(_("position"), default=0)
    wayofalarm = models.CharField(_("way of alarm"), max_length=5, choices=Way.choices)
    delay = models.PositiveIntegerField(
        _("delay"),
        default=0,
        validators=[MaxValueValidator(MAX_DELAY)],
        help_text=_("Seconds after the entry before it; 0 joins it. App and pager always go first and at once."),
    )

    class Meta:
        ordering = ("configuration_id", "position", "id")
        constraints = (
            models.CheckConstraint(condition=Q(delay__gte=0, delay__lte=MAX_DELAY), name="delay_within_a_day"),
        )
        verbose_name = _("entry of an escalation")
        verbose_name_plural = _("entries of escalations")

    def __str__(self) -> str:
        return _("%(way)s after %(time)s") % {"way": self.get_wayofalarm_display(), "time": f"{self.delay} s"}


@pghistory.track()
class ResponseTimeout(models.Model):
    """How long a notified user of an organization may answer, where it is not the default (contract 5)."""

    organization = models.OneToOneField(
        Organization,
        primary_key=True,
        on_delete=models.CASCADE,
        related_name="response_timeout",
        verbose_name=_("organization"),
    )
    seconds = models.PositiveIntegerField(
        _("seconds"),
        default=900,
        validators=[MinValueValidator(MIN_TIMEOUT), MaxValueValidator(MAX_TIMEOUT)],
        help_text=_("How long a notified person can answer: from 10 (ten seconds) to 86400 (a day)."),
    )

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(seconds__gte=MIN_TIMEOUT, seconds__lte=MAX_TIMEOUT), name="timeout_within_bounds"
            ),
        )
        verbose_name = _("response timeout")
        verbose_name_plural = _("response timeouts")

    def __str__(self) -> str:
        return f"{self.seconds} s"

    @classmethod
    def in_force(cls, organization: Organization) -> int:
        """Return the organization's response timeout in seconds (setting DEFAULT_RESPONSE_TIMEOUT without one)."""
        seconds = cls.objects.filter(organization=organization).values_list("seconds", flat=True).first()
        return int(settings.DEFAULT_RESPONSE_TIMEOUT) if seconds is None else seconds

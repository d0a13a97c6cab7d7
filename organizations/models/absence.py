"""When people are not available."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _

from organizations.models.people import Organization, User


class AbsenceQuerySet(models.QuerySet["Absence"]):
    def over(self, now: datetime) -> AbsenceQuerySet:
        """What has no effect any more."""
        return self.filter(weekly=False, ends_at__lte=now)


class Absence(models.Model):
    """A time in which a user is not available: alarms to all members or to units leave them out."""

    LONGEST = timedelta(days=366)
    LONGEST_WEEKLY = timedelta(days=7)
    # Of which every time zone makes a time.
    YEARS = range(2000, 3000)

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="absences", verbose_name=_("person"))
    organization = models.ForeignKey(
        Organization,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="absences",
        help_text=_("For its alarms only; empty: for those of all organizations."),
        verbose_name=_("organization"),
    )
    starts_at = models.DateTimeField(_("starts at"))
    ends_at = models.DateTimeField(_("ends at"))
    weekly = models.BooleanField(
        _("weekly"),
        default=False,
        help_text=_("Again every week at the same time of day, in the time zone of the organization."),
    )

    objects = AbsenceQuerySet.as_manager()

    class Meta:
        constraints = (
            models.CheckConstraint(condition=models.Q(ends_at__gt=models.F("starts_at")), name="absence_ends_later"),
        )
        ordering = ("starts_at", "id")
        verbose_name = _("absence")
        verbose_name_plural = _("absences")

    def __str__(self) -> str:
        start, end = (
            date_format(timezone.localtime(moment), "SHORT_DATETIME_FORMAT")
            for moment in (self.starts_at, self.ends_at)
        )
        return _("%(person)s, from %(start)s until %(end)s") % {"person": self.user, "start": start, "end": end}

    def clean(self) -> None:
        if not (self.starts_at and self.ends_at):
            return
        longest = self.LONGEST_WEEKLY if self.weekly else self.LONGEST
        if self.starts_at.year not in self.YEARS:
            years = {"first": self.YEARS[0], "last": self.YEARS[-1]}
            raise ValidationError({"starts_at": _("Must be from %(first)d to %(last)d.") % years})
        if self.ends_at <= self.starts_at:
            raise ValidationError({"ends_at": _("Must be after the start.")})
        if self.ends_at - self.starts_at > longest:
            at_most = _("Must be at most %(days)d days after the start.")
            if self.weekly:
                at_most = _("Must be at most %(days)d days after the start where it is weekly.")
            raise ValidationError({"ends_at": at_most % {"days": longest.days}})

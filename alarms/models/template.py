"""Templates of alarms."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from organizations.models import Group, Organization, User

MAX_MESSAGE = 960
"""How many characters an alarm has at most (contract 4)."""


class AlarmTemplate(models.Model):
    """What an organization raises again and again: a text, and whom it is for."""

    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="alarm_templates", verbose_name=_("organization")
    )
    name = models.CharField(_("name"), max_length=100, help_text=_("By which it is chosen; recipients do not see it."))
    event_name = models.CharField(
        _("event"), max_length=255, blank=True, help_text=_("A heading of your own, such as B2. May be left empty.")
    )
    message = models.TextField(_("text"), max_length=MAX_MESSAGE)
    all_users = models.BooleanField(_("everybody"), default=False)
    groups = models.ManyToManyField(Group, blank=True, related_name="+", verbose_name=_("groups"))
    users = models.ManyToManyField(User, blank=True, related_name="+", verbose_name=_("people"))

    class Meta:
        constraints = (models.UniqueConstraint(fields=["organization", "name"], name="one_alarm_template_per_name"),)
        ordering = ("organization_id", "name")
        verbose_name = _("alarm template")
        verbose_name_plural = _("alarm templates")

    def __str__(self) -> str:
        return self.name

"""Messages between users and groups (contract 6)."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from inbox import texts
from organizations.models import Organization, User


def is_instant(until: datetime | None, now: datetime) -> bool:
    """Whether a message still is an instant one; None: it never was."""
    return until is not None and now <= until


class Message(models.Model):
    """What was sent, once however many get it: each reads it in their own language."""

    class Type(models.TextChoices):
        CRITICAL = "CRITICAL", _("critical")
        WARNING = "WARNING", _("warning")
        INFO = "INFO", _("info")
        SUCCESS = "SUCCESS", _("success")
        NEUTRAL = "NEUTRAL", _("neutral")

    sender = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.PROTECT, related_name="sent_messages", verbose_name=_("sender")
    )
    organization = models.ForeignKey(
        Organization,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text=_("Whose alarm it tells of, where nobody has sent it."),
        verbose_name=_("organization"),
    )
    # The number alone: this app knows nothing of alarms.
    alarm_id = models.BigIntegerField(
        _("alarm id"), null=True, blank=True, unique=True, help_text=_("The alarm that it tells of.")
    )
    type = models.CharField(_("type"), max_length=8, choices=Type.choices, default=Type.INFO)
    text = models.TextField(_("text"), help_text=_("For whom there is no translation; may be a key of the catalogs."))
    translations = models.JSONField(_("translations"), default=dict, blank=True, help_text=_("Texts by language."))
    parameters = models.JSONField(
        _("parameters"), default=list, blank=True, help_text=_("What fills {0}, {1}... of the text.")
    )
    sent_at = models.DateTimeField(_("sent at"))

    class Meta:
        ordering = ("-id",)
        verbose_name = _("message")
        verbose_name_plural = _("messages")

    def __str__(self) -> str:
        return f"{self.pk}: {self.text[:60]}"

    def wording(self, language: str) -> str:
        """Return the text as somebody reads it who has this language."""
        return texts.wording(self.text, self.translations, self.parameters, language)


class InboxMessageQuerySet(models.QuerySet["InboxMessage"]):
    def of(self, user: User) -> InboxMessageQuerySet:
        """The inbox of a user, newest first, each with what was sent."""
        return self.filter(user=user).select_related("message__organization").order_by("-pk")

    def unread(self) -> InboxMessageQuerySet:
        return self.filter(read_at=None)

    def wanting_a_copy(self) -> InboxMessageQuerySet:
        """Those of which a copy by e-mail is to be sent: their owner is active, has an address and still wants one."""
        owners = {"user__is_active": True, "user__inbox_to_email": True, "user__email__gt": ""}
        return self.filter(copy_wanted=True, copy_settled_at=None, **owners)


class InboxMessage(models.Model):
    """A message in the inbox of one of its recipients. Its id is the one that the API knows."""

    message = models.ForeignKey(
        Message, on_delete=models.CASCADE, related_name="inbox_messages", db_index=False, verbose_name=_("message")
    )
    user = models.ForeignKey(
        User, on_delete=models.PROTECT, related_name="inbox_messages", db_index=False, verbose_name=_("person")
    )
    read_at = models.DateTimeField(_("read at"), null=True, blank=True)
    # Kept here and not with the message, so that a poll tells whether its answer has changed by this table alone.
    instant_until = models.DateTimeField(
        _("instant until"), null=True, blank=True, help_text=_("How long it is an instant message.")
    )
    copy_wanted = models.BooleanField(
        _("copy wanted"),
        default=False,
        db_default=False,
        help_text=_("Whether its owner wanted copies by e-mail when it was sent."),
    )
    copy_settled_at = models.DateTimeField(
        _("copy settled at"),
        null=True,
        blank=True,
        help_text=_("When the mail server took the copy, or it was given up."),
    )

    objects = InboxMessageQuerySet.as_manager()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["message", "user"], name="each_user_once_per_message"),)
        indexes = (
            models.Index(fields=["user", "-id"], name="messages_of_a_user"),
            models.Index(fields=["user", "-id"], condition=Q(read_at=None), name="unread_messages_of_a_user"),
        )
        ordering = ("-id",)
        verbose_name = _("message in an inbox")
        verbose_name_plural = _("inboxes")

    def __str__(self) -> str:
        return _("%(message)s to %(person)s") % {"message": self.message_id, "person": self.user}

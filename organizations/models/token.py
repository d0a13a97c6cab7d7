"""The tokens of the REST API."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

import pghistory
from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from organizations import tokens
from organizations.models.people import Organization, User

# What the history of a token does not hold: what it is recognized by, and its uses, which are no changes.
UNTRACKED = ["digest", "created_at", "last_used_at", "replaces"]


class TokenQuerySet(models.QuerySet[Any]):
    """Tokens by what has become of them; each is in one of `usable`, `expired` and `revoked`."""

    def usable(self, now: datetime) -> Self:
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=now), revoked_at=None)

    def expired(self, now: datetime) -> Self:
        return self.filter(revoked_at=None, expires_at__lte=now)

    def revoked(self) -> Self:
        return self.exclude(revoked_at=None)

    def expiring_soon(self, now: datetime) -> Self:
        """What ends without anything to take its place."""
        return self.usable(now).filter(expires_at__lte=now + Token.SOON, replaced_by=None)

    def forgotten(self, now: datetime) -> Self:
        """What still opens the API, though nobody has used it for long."""
        since = now - timedelta(days=settings.TOKEN_FORGOTTEN_DAYS)
        unused = Q(last_used_at__lte=since) | Q(last_used_at=None, created_at__lte=since)
        return self.usable(now).filter(unused)


class Token(models.Model):
    """A secret of the REST API: 256 random bits, of which only a SHA-256 digest and a short lookup prefix are kept."""

    KIND: ClassVar[str]
    # The field that says for whom it speaks.
    OWNER: ClassVar[str]
    # How stale last_used_at may be before a request writes it again.
    LAST_USE_PRECISION = timedelta(minutes=1)
    # How long before its end a token is said to end soon.
    SOON = timedelta(days=14)

    name = models.CharField(
        _("name"), max_length=100, help_text=_("What it is for, so that one knows what revoking it ends.")
    )
    prefix = models.CharField(_("prefix"), max_length=32, unique=True, editable=False)
    digest = models.CharField(_("digest"), max_length=64, editable=False)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True)
    last_used_at = models.DateTimeField(_("last used at"), null=True, blank=True, editable=False)
    replaces = models.OneToOneField(
        "self",
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="replaced_by",
        verbose_name=_("replaces"),
    )

    objects = TokenQuerySet.as_manager()

    class Meta:
        abstract = True
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}...)"

    @classmethod
    def issue(cls, *, name: str, expires_at: datetime | None = None, **owner: Any) -> tuple[Self, str]:
        """Store a new token and return it with its text, which cannot be had again."""
        text = tokens.generate(cls.KIND)
        row = cls(name=name, prefix=tokens.prefix(text), digest=tokens.digest(text), expires_at=expires_at, **owner)
        row.save(force_insert=True)
        return row, text

    def is_usable(self, now: datetime) -> bool:
        """Neither expired nor revoked at `now`."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def ends_soon(self, now: datetime) -> bool:
        """Usable at `now`, but not for long, and nothing has taken its place."""
        ends = self.expires_at is not None and self.expires_at <= now + self.SOON
        return ends and self.is_usable(now) and self.replacement() is None

    def is_forgotten(self, now: datetime) -> bool:
        """Usable at `now`, though not used for TOKEN_FORGOTTEN_DAYS, or never since it was issued that long ago."""
        since = now - timedelta(days=settings.TOKEN_FORGOTTEN_DAYS)
        return self.is_usable(now) and (self.last_used_at or self.created_at) <= since

    @property
    def owner(self) -> Organization | User:
        found: Organization | User = getattr(self, self.OWNER)
        return found

    def replacement(self) -> Self | None:
        """Return the token that was issued in place of this one, if any."""
        return getattr(self, "replaced_by", None)

    def revoke(self) -> None:
        self.revoked_at = self.revoked_at or timezone.now()
        self.save(update_fields=["revoked_at"])

    def note_use(self, now: datetime) -> None:
        """Keep `now` as the last use, written at most once a minute."""
        if self.last_used_at is None or now - self.last_used_at >= self.LAST_USE_PRECISION:
            type(self)._default_manager.filter(pk=self.pk).update(last_used_at=now)


@pghistory.track(exclude=UNTRACKED)
class ApiToken(Token):
    """Speaks for an organization (header `API-TOKEN`)."""

    KIND = "ga_org"
    OWNER = "organization"

    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="api_tokens", verbose_name=_("organization")
    )

    class Meta(Token.Meta):
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")


@pghistory.track(exclude=UNTRACKED)
class PersonalAccessToken(Token):
    """Speaks for a user (header `Personal-Access-Token`)."""

    KIND = "ga_pat"
    OWNER = "user"

    user = models.ForeignKey(
        User, on_delete=models.CASCADE, related_name="personal_access_tokens", verbose_name=_("person")
    )

    class Meta(Token.Meta):
        verbose_name = _("personal access token")
        verbose_name_plural = _("personal access tokens")

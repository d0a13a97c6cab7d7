"""The tokens of the REST API."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from django.db import models
from django.utils import timezone

from organizations import tokens
from organizations.models.people import Organization, User


class Token(models.Model):
    """A secret of the REST API: 256 random bits, of which only a SHA-256 digest and a short lookup prefix are kept."""

    KIND: ClassVar[str]
    # How stale last_used_at may be before a request writes it again.
    LAST_USE_PRECISION = timedelta(minutes=1)

    name = models.CharField(max_length=100, help_text="What it is for, so that one knows what revoking it ends.")
    prefix = models.CharField(max_length=32, unique=True, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        abstract = True
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}...)"

    @classmethod
    def issue(cls, *, name: str, expires_at: datetime | None = None, **owner: Any) -> tuple[Self, str]:
        """Store a new token and return it with its text, which cannot be had again."""
        text = tokens.generate(cls.KIND)
        row = cls._default_manager.create(
            name=name, prefix=tokens.prefix(text), digest=tokens.digest(text), expires_at=expires_at, **owner
        )
        return row, text

    def is_usable(self, now: datetime) -> bool:
        """Neither expired nor revoked at `now`."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def revoke(self) -> None:
        self.revoked_at = self.revoked_at or timezone.now()
        self.save(update_fields=["revoked_at"])

    def note_use(self, now: datetime) -> None:
        """Keep `now` as the last use, written at most once a minute."""
        if self.last_used_at is None or now - self.last_used_at >= self.LAST_USE_PRECISION:
            type(self)._default_manager.filter(pk=self.pk).update(last_used_at=now)


class ApiToken(Token):
    """Speaks for an organization (header `API-TOKEN`)."""

    KIND = "ga_org"

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="api_tokens")

    class Meta(Token.Meta):
        verbose_name = "API token"


class PersonalAccessToken(Token):
    """Speaks for a user (header `Personal-Access-Token`)."""

    KIND = "ga_pat"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="personal_access_tokens")

    class Meta(Token.Meta):
        pass

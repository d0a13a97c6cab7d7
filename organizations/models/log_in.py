"""What guards the log-in: who has tried how often, and the second factor of people."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from organizations.models.people import User


class LogInAttempt(models.Model):
    """A try to log in that has failed, or is under way. Whom it was for stands there as a digest: what is typed for a
    login may be a password."""

    class Step(models.TextChoices):
        PASSWORD = "password"  # noqa: S105 - no password
        CODE = "code"

    login = models.CharField(max_length=64)
    source = models.CharField(max_length=64)
    step = models.CharField(max_length=8, choices=Step.choices)
    at = models.DateTimeField()

    class Meta:
        indexes = (
            models.Index(fields=["login", "at"], name="log_in_attempts_by_login"),
            models.Index(fields=["source", "at"], name="log_in_attempts_by_source"),
            models.Index(fields=["at"], name="log_in_attempts_by_time"),
        )
        verbose_name = _("log-in attempt")
        verbose_name_plural = _("log-in attempts")

    def __str__(self) -> str:
        return f"{self.source} ({self.at})"


class SecondFactor(models.Model):
    """An authenticator app (TOTP, RFC 6238), and the codes that stand in for it. `User.second_factor_at` says whether
    there is one."""

    user = models.OneToOneField(User, primary_key=True, on_delete=models.CASCADE, related_name="second_factor")
    # Encrypted: unlike a password, the service has to know it.
    secret = models.TextField()
    # The last half minute of which a code was taken: none is taken twice.
    last_step = models.BigIntegerField()
    # SHA-256, as of tokens: they are as random.
    recovery_digests = ArrayField(models.CharField(max_length=64))

    class Meta:
        verbose_name = _("second factor")
        verbose_name_plural = _("second factors")

    def __str__(self) -> str:
        return str(self.user)

"""Who there is: users, organizations, memberships, groups, devices and the tokens of the REST API."""

from __future__ import annotations

import zoneinfo
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator, RegexValidator
from django.db import models
from django.utils import timezone

from organizations import tokens


class Way(models.TextChoices):
    """A way of alarm (contract 3)."""

    APP = "app", "app push"
    PAGER = "pager", "pager"
    SMS = "sms", "SMS"
    CALL = "call", "call"
    EMAIL = "email", "e-mail"


def default_time_zone() -> str:
    return str(settings.TIME_ZONE)


def default_language() -> str:
    return str(settings.LANGUAGE_CODE)


def validate_time_zone(name: str) -> None:
    if name not in zoneinfo.available_timezones():
        raise ValidationError(f"{name!r} is not an IANA time zone such as Europe/Berlin.")


validate_language = RegexValidator(r"^[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*\Z", "A language code such as de or de-AT.")


class OrganizationQuerySet(models.QuerySet["Organization"]):
    def by_id_or_name(self, text: str) -> Organization | None:
        """Return the organization with this id, else the one with exactly this name, else None (contract 8)."""
        by_id = self.filter(pk=int(text)).first() if text.isdecimal() and len(text) < 20 else None
        return by_id or self.filter(name=text).first()

    def of(self, user: User) -> OrganizationQuerySet:
        """The active organizations that the user is a member of."""
        return self.filter(memberships__user=user, is_active=True)


class Organization(models.Model):
    name = models.CharField(max_length=200, unique=True)
    is_active = models.BooleanField("active", default=True)
    time_zone = models.CharField(max_length=64, default=default_time_zone, validators=[validate_time_zone])
    disabled_ways = ArrayField(
        models.CharField(max_length=5, choices=Way.choices),
        default=list,
        blank=True,
        help_text="Ways of alarm that are not used for alarms of this organization.",
    )
    alarms_in_inbox = models.BooleanField(
        "alarms in the inbox",
        default=False,
        db_default=False,
        help_text="Each alarm is put into the inboxes of its recipients too.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = OrganizationQuerySet.as_manager()

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class UserManager(BaseUserManager["User"]):
    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(login=username)

    def create_user(self, login: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(login=login, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, login: str, password: str | None = None, **fields: Any) -> User:
        return self.create_user(login, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractBaseUser, PermissionsMixin):
    """A person. The organization that created them manages them: only its admins change their name, e-mail, devices
    and escalation for them (contract 1)."""

    login = models.CharField(
        max_length=150,
        unique=True,
        validators=[RegexValidator(r"^[\w.@+-]+\Z", "Letters, digits and @ . + - _ only.")],
    )
    first_name = models.CharField(max_length=150, blank=True)
    last_name = models.CharField(max_length=150, blank=True)
    email = models.EmailField("e-mail", blank=True)
    language = models.CharField(
        max_length=35,
        default=default_language,
        validators=[validate_language],
        help_text="The language of the texts this person gets.",
    )
    description = models.TextField(blank=True)
    inbox_to_email = models.BooleanField(
        "inbox to e-mail",
        default=False,
        db_default=False,
        help_text="Gets a copy by e-mail of what is sent to their inbox.",
    )
    is_active = models.BooleanField("active", default=True)
    is_staff = models.BooleanField("staff", default=False, help_text="May log in to this admin.")
    managing_organization = models.ForeignKey(
        Organization, null=True, blank=True, on_delete=models.PROTECT, related_name="managed_users"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "login"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = ["email"]

    class Meta:
        ordering = ("login",)

    def __str__(self) -> str:
        return f"{self.get_full_name()} ({self.login})" if self.get_full_name() else self.login

    def get_full_name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()

    def get_short_name(self) -> str:
        return self.first_name or self.login


class Membership(models.Model):
    class Role(models.TextChoices):
        MEMBER = "member"
        ADMIN = "admin"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=6, choices=Role.choices, default=Role.MEMBER)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["organization", "user"], name="one_membership_per_user_and_organization"),
        )
        ordering = ("organization_id", "user_id")

    def __str__(self) -> str:
        return f"{self.user} in {self.organization}"


class Group(models.Model):
    """A unit of an organization. Its members are memberships, so that who leaves the organization leaves its groups."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="groups")
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    memberships = models.ManyToManyField(Membership, related_name="groups", blank=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["organization", "name"], name="one_group_per_name"),)
        ordering = ("organization_id", "name")

    def __str__(self) -> str:
        return self.name


class Device(models.Model):
    """Where a way of alarm reaches a user."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="devices")
    way = models.CharField("way of alarm", max_length=5, choices=Way.choices)
    name = models.CharField(max_length=100, help_text="Shown in the message status, e.g. 'Work phone'.")
    address = models.CharField(max_length=255, help_text="A phone number, an e-mail address, a push address...")
    is_active = models.BooleanField("active", default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["user", "way", "address"], name="one_device_per_way_and_address"),
        )
        ordering = ("user_id", "id")

    def __str__(self) -> str:
        return f"{self.name} ({self.get_way_display()})"

    def clean(self) -> None:
        if self.way == Way.EMAIL:
            try:
                EmailValidator()(self.address)
            except ValidationError as error:
                raise ValidationError({"address": error.messages}) from error


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

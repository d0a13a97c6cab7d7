"""Users, organizations, memberships, groups and devices."""

from __future__ import annotations

import zoneinfo
from typing import Any, ClassVar

import pghistory
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator, RegexValidator
from django.db import models
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from organizations.phone import e164


class Way(models.TextChoices):
    """A way of alarm (contract 3)."""

    APP = "app", _("app push")
    PAGER = "pager", _("pager")
    SMS = "sms", _("SMS")
    CALL = "call", _("call")
    EMAIL = "email", _("e-mail")


def default_time_zone() -> str:
    return str(settings.TIME_ZONE)


def default_language() -> str:
    return str(settings.LANGUAGE_CODE)


def validate_time_zone(name: str) -> None:
    if name not in zoneinfo.available_timezones():
        raise ValidationError(_("%(name)r is not an IANA time zone such as Europe/Berlin."), params={"name": name})


validate_language = RegexValidator(
    r"^[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*\Z", _("A language code such as de or de-AT.")
)

validate_line = RegexValidator(
    r"^[^\S\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*\Z",
    _("Must not be blank, nor have control characters."),
)


class OrganizationQuerySet(models.QuerySet["Organization"]):
    def by_id_or_name(self, text: str) -> Organization | None:
        """Return the organization with this id, else the one with exactly this name, else None (contract 8)."""
        by_id = self.filter(pk=int(text)).first() if text.isdecimal() and len(text) < 20 else None
        return by_id or self.filter(name=text).first()

    def of(self, user: User) -> OrganizationQuerySet:
        """The active organizations that the user is a member of."""
        return self.filter(memberships__user=user, is_active=True)


@pghistory.track(exclude=["created_at"])
class Organization(models.Model):
    name = models.CharField(_("name"), max_length=200, unique=True)
    is_active = models.BooleanField(_("active"), default=True)
    time_zone = models.CharField(
        _("time zone"), max_length=64, default=default_time_zone, validators=[validate_time_zone]
    )
    disabled_ways = ArrayField(
        models.CharField(max_length=5, choices=Way.choices),
        default=list,
        blank=True,
        help_text=_("Ways of alarm that are not used for alarms of this organization."),
        verbose_name=_("disabled ways"),
    )
    alarms_in_inbox = models.BooleanField(
        _("alarms in the inbox"),
        default=False,
        db_default=False,
        help_text=_("Each alarm is put into the inboxes of its recipients too."),
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    objects = OrganizationQuerySet.as_manager()

    class Meta:
        ordering = ("name",)
        verbose_name = _("organization")
        verbose_name_plural = _("organizations")

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
        _("login"),
        max_length=150,
        unique=True,
        validators=[RegexValidator(r"^[\w.@+-]+\Z", _("Letters, digits and @ . + - _ only."))],
    )
    first_name = models.CharField(_("first name"), max_length=150, blank=True)
    last_name = models.CharField(_("last name"), max_length=150, blank=True)
    email = models.EmailField(_("e-mail"), blank=True)
    language = models.CharField(
        _("language"),
        max_length=35,
        default=default_language,
        validators=[validate_language],
        help_text=_("The language of the texts this person gets."),
    )
    description = models.TextField(_("description"), blank=True)
    inbox_to_email = models.BooleanField(
        _("inbox to e-mail"),
        default=False,
        db_default=False,
        help_text=_("Gets a copy by e-mail of what is sent to their inbox."),
    )
    is_active = models.BooleanField(_("active"), default=True)
    is_staff = models.BooleanField(_("staff"), default=False, help_text=_("May log in to this admin."))
    managing_organization = models.ForeignKey(
        Organization,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="managed_users",
        verbose_name=_("managing organization"),
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    erased_at = models.DateTimeField(_("erased at"), null=True, blank=True, editable=False)
    second_factor_at = models.DateTimeField(_("second factor since"), null=True, blank=True, editable=False)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "login"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = ["email"]

    class Meta:
        ordering = ("login",)
        verbose_name = _("person")
        verbose_name_plural = _("people")

    def __str__(self) -> str:
        return f"{self.get_full_name()} ({self.login})" if self.get_full_name() else self.login

    @cached_property
    def administered_ids(self) -> frozenset[int]:
        """The ids of the active organizations that this user is an admin of."""
        administered = self.memberships.filter(role=Membership.Role.ADMIN, organization__is_active=True)
        return frozenset(administered.values_list("organization_id", flat=True))

    def get_session_auth_hash(self) -> str:
        """What a session is good for ends when the password changes, and when the second factor does."""
        since = self.second_factor_at
        return super().get_session_auth_hash() + (since.isoformat() if since else "")

    def get_full_name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()

    def get_short_name(self) -> str:
        return self.first_name or self.login


@pghistory.track()
class Membership(models.Model):
    class Role(models.TextChoices):
        MEMBER = "member", _("Member")
        ADMIN = "admin", _("Admin")

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships", verbose_name=_("person"))
    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="memberships", verbose_name=_("organization")
    )
    role = models.CharField(_("role"), max_length=6, choices=Role.choices, default=Role.MEMBER)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["organization", "user"], name="one_membership_per_user_and_organization"),
        )
        ordering = ("organization_id", "user_id")
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")

    def __str__(self) -> str:
        return f"{self.user} in {self.organization}"


class Group(models.Model):
    """A unit of an organization. Its members are memberships, so that who leaves the organization leaves its groups."""

    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="groups", verbose_name=_("organization")
    )
    name = models.CharField(_("name"), max_length=200)
    description = models.TextField(_("description"), blank=True)
    memberships = models.ManyToManyField(Membership, related_name="groups", blank=True, verbose_name=_("memberships"))

    class Meta:
        constraints = (models.UniqueConstraint(fields=["organization", "name"], name="one_group_per_name"),)
        ordering = ("organization_id", "name")
        verbose_name = _("group")
        verbose_name_plural = _("groups")

    def __str__(self) -> str:
        return self.name


@pghistory.track(exclude=["created_at", "tested_at"])
class Device(models.Model):
    """Where a way of alarm reaches a user."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="devices", verbose_name=_("person"))
    way = models.CharField(_("way of alarm"), max_length=5, choices=Way.choices)
    name = models.CharField(_("name"), max_length=100, help_text=_("Shown in the message status, e.g. 'Work phone'."))
    address = models.CharField(
        _("address"), max_length=255, help_text=_("A phone number, an e-mail address, a push address...")
    )
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    tested_at = models.DateTimeField(_("tested at"), null=True, blank=True, editable=False)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["user", "way", "address"], name="one_device_per_way_and_address"),
        )
        indexes = (models.Index(fields=["address"], name="devices_by_address"),)
        ordering = ("user_id", "id")
        verbose_name = _("device")
        verbose_name_plural = _("devices")

    def __str__(self) -> str:
        return f"{self.name} ({self.get_way_display()})"

    def clean(self) -> None:
        """Check the address, and write it as it is kept. One that is kept already may be of another time, when another
        rule held: it is left alone."""
        self.name = self.name.strip()
        if not self.address or (
            self.pk is not None and Device.objects.filter(pk=self.pk, way=self.way, address=self.address).exists()
        ):
            return
        try:
            self.address = as_kept(self.way, self.address)
        except ValidationError as error:
            raise ValidationError({"address": error.messages}) from error


def as_kept(way: str, address: str) -> str:
    """Return an address of a way of alarm as a device keeps it.

    Raises: ValidationError, which does not repeat the address.
    """
    validate_line(address)
    address = address.strip()
    if way in (Way.SMS, Way.CALL):
        return e164(address)
    if way == Way.EMAIL:
        EmailValidator()(address)
    return address

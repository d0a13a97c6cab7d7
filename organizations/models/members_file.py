"""A file of members that somebody has uploaded, while they look at what it would change."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from messaging_project.encryption import decrypt, encrypt
from organizations.models.people import Organization


class MembersFileQuerySet(models.QuerySet["MembersFile"]):
    def over(self, now: datetime) -> MembersFileQuerySet:
        """What nobody may go on with any more."""
        return self.filter(created_at__lte=now - MembersFile.KEPT_FOR)


class MembersFile(models.Model):
    """Names and addresses of people: kept encrypted, and not for long. What is imported is what was looked at."""

    KEPT_FOR = timedelta(hours=1)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+")
    content = models.TextField()
    created_at = models.DateTimeField()

    objects = MembersFileQuerySet.as_manager()

    class Meta:
        verbose_name = _("file of members")
        verbose_name_plural = _("files of members")

    def __str__(self) -> str:
        return f"{self.organization} ({self.created_at})"

    @classmethod
    def keep(cls, *, user_id: int, organization: Organization, text: str, now: datetime) -> MembersFile:
        """Keep a file in place of the one before it, and nothing that is over."""
        cls.objects.over(now).delete()
        cls.objects.filter(user=user_id, organization=organization).delete()
        return cls.objects.create(user_id=user_id, organization=organization, content=encrypt(text), created_at=now)

    def text(self) -> str:
        """Raises: CannotDecrypt, where the keys have been changed meanwhile."""
        return decrypt(self.content)

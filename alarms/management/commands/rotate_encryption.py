from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, no_translations
from django.db import models, transaction

from alarms.models import Hook, OrganizationGateway
from messaging_project import database, encryption
from organizations.models import SecondFactor

# What is kept encrypted: models and their fields.
KEPT: tuple[tuple[type[models.Model], str], ...] = (
    (OrganizationGateway, "urls"),
    (Hook, "secret"),
    (SecondFactor, "secret"),
)


class Command(BaseCommand):
    help = "Encrypt anew, with the first of ENCRYPTION_KEYS, what any of them reads. The others can go then."

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        database.wait(seconds=10, migrated=True)
        try:
            rotated = rotate()
        except encryption.CannotDecrypt as error:
            raise CommandError(f"{error}; nothing was changed") from error
        self.stdout.write(f"Encrypted with the first key: {rotated}")


@transaction.atomic
def rotate() -> int:
    """Encrypt everything with the first key, all or nothing; return how many rows those are.

    Raises: CannotDecrypt, which names the row that no key reads.
    """
    count = 0
    for model, field in KEPT:
        rows = list(model._default_manager.select_for_update(no_key=True))
        for row in rows:
            try:
                setattr(row, field, encryption.rotate(getattr(row, field)))
            except encryption.CannotDecrypt as error:
                raise encryption.CannotDecrypt(f"{model._meta.verbose_name} {row.pk}: {error}") from error
        model._default_manager.bulk_update(rows, [field], batch_size=500)
        count += len(rows)
    return count

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser, no_translations
from django.db import transaction

from organizations.authors import by_command
from organizations.importing import COLUMNS, MAX_BYTES, MembersInvalid, import_members
from organizations.models import Organization


class Command(BaseCommand):
    help = "Import members, groups and devices from a CSV file, all or nothing; prints login,id for each row."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("organization", help="its id or exact name")
        parser.add_argument("file", type=Path, help=f"UTF-8, with the columns {','.join(COLUMNS)}")
        parser.add_argument("--create", action="store_true", help="make the organization if there is none of that name")

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        try:
            with path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}") from error
        try:
            with by_command(self), transaction.atomic():
                organization = self.organization(options["organization"], create=options["create"])
                users = import_members(organization=organization, data=data)
        except MembersInvalid as error:
            raise CommandError(f"{path}: nothing was imported.\n{error}") from error
        for user in users:
            self.stdout.write(f"{user.login},{user.pk}")

    def organization(self, text: str, *, create: bool) -> Organization:
        organization = Organization.objects.by_id_or_name(text)
        if organization is None and create:
            try:
                Organization(name=text).full_clean(validate_unique=False)
            except ValidationError as error:
                raise CommandError(f"organization: {' '.join(error.messages)}") from error
            organization, _created = Organization.objects.get_or_create(name=text)
        if organization is None:
            raise CommandError(f"There is no organization {text!r}.")
        return organization

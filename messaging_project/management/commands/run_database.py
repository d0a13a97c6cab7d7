from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    help = "Become the embedded database's server; where DATABASE_URL is set there is nothing to run."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.EMBEDDED_DATABASE:
            raise CommandError("DATABASE_URL is set: the embedded database is not used.")
        from messaging_project.embedded_postgres import EmbeddedPostgresError, run

        try:
            run(settings.DATA_DIR)
        except EmbeddedPostgresError as error:
            raise CommandError(str(error)) from error

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from messaging_project.demo import load_demo


class Command(BaseCommand):
    help = "Load the demo organization, once."

    def handle(self, *args: Any, **options: Any) -> None:
        organization = load_demo()
        self.stdout.write(f"{organization.pk},{organization.name}")

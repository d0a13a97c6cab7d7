from __future__ import annotations

from organizations.management.token_commands import IssueCommand
from organizations.models import ApiToken, Organization


class Command(IssueCommand):
    help = "Issue an API token of an organization and print it, once."
    model = ApiToken
    owner = "organization"
    owner_help = "its id or exact name"

    def find_owner(self, text: str) -> Organization | None:
        return Organization.objects.by_id_or_name(text)

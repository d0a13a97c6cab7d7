from __future__ import annotations

from organizations.management.token_commands import IssueCommand
from organizations.models import PersonalAccessToken, User


class Command(IssueCommand):
    help = "Issue a personal access token of a user and print it, once."
    model = PersonalAccessToken
    owner = "user"
    owner_help = "the login"

    def find_owner(self, text: str) -> User | None:
        return User.objects.filter(login=text).first()

"""Uploading files of members to the admin."""

from __future__ import annotations

from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client

from organizations.models import Organization

HEADER = "login,first_name,last_name,email,language,role,groups,app,pager,sms,call"
UPLOAD = "/admin/organizations/membership/import/"


def file(*rows: str) -> SimpleUploadedFile:
    return SimpleUploadedFile("members.csv", "\n".join([HEADER, *rows, ""]).encode(), "text/csv")


def upload(client: Client, organization: Organization, *rows: str) -> str:
    """Return the address of the page that shows what a file would change."""
    answer = client.post(UPLOAD, {"organization": organization.pk, "file": file(*rows)})
    assert answer.status_code == 302, answer.content.decode()
    return answer.headers["Location"]


def agree(client: Client, page: str) -> HttpResponse:
    """Press "Import" on the page as it is shown now."""
    agreed = client.get(page).context["changes"].digest
    return client.post(page, {"agreed": agreed, "import": "1"}, follow=True)


def shown(client: Client, page: str) -> dict[str, dict[str, object]]:
    """Return what the page tells of each person: mark, whether others manage them, and lines by their label."""
    people = client.get(page).context["shown"]
    return {
        person.login: {"": person.word, "elsewhere": person.elsewhere}
        | {line.label: line.new if line.old is None else (line.old, line.new) for line in person.lines}
        for person in people
    }

"""The time zone of an organization (contract 8)."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command

from organizations.models import Organization

pytestmark = pytest.mark.django_db

HEADER = "login,first_name,last_name,email,language,role,groups,app,pager,sms,call"


def test_it_is_that_of_the_settings_unless_another_is_given(settings: Any) -> None:
    assert Organization.objects.create(name="North").time_zone == settings.TIME_ZONE == "UTC"
    settings.TIME_ZONE = "Europe/Berlin"
    assert Organization.objects.create(name="South").time_zone == "Europe/Berlin"
    assert Organization.objects.create(name="East", time_zone="Asia/Kolkata").time_zone == "Asia/Kolkata"
    assert Organization.objects.get(name="North").time_zone == "UTC"


def test_an_organization_that_an_import_makes_has_that_of_the_settings(settings: Any, tmp_path: Path) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    members = tmp_path / "members.csv"
    members.write_text(f"{HEADER}\n")
    call_command("import_members", "North", str(members), "--create", stdout=io.StringIO())
    assert Organization.objects.get().time_zone == "Europe/Berlin"


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"])
def test_an_iana_time_zone_is_taken(name: str) -> None:
    Organization(name="North", time_zone=name).full_clean()


@pytest.mark.parametrize("name", ["", "Europe/Atlantis", "europe/berlin", "+01:00", "../../etc/passwd"])
def test_what_is_no_iana_time_zone_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="time_zone"):
        Organization(name="North", time_zone=name).full_clean()

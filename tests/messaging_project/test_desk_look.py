"""The name, the colours and the clocks of the admin."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from messaging_project.desk_settings import SHADES, desk_of
from organizations.models import User
from tests.factories import AlarmFactory, OrganizationFactory, UserFactory
from tests.processes import ROOT


def settings_with(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("colour", ["red", "#12345", "#12345g", "b91c1c", "#b91c1c; } body { display: none"])
def test_what_is_no_colour_is_told_in_one_line(colour: str) -> None:
    done = settings_with(SITE_COLOR=colour)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(f"SITE_COLOR: must be a colour such as #b91c1c, not {colour!r}")


@pytest.mark.parametrize("colour", ["#b91c1c", "#1D4ED8", "#000000"])
def test_every_shade_is_of_the_colour_of_the_site_and_as_light_as_every_other_sites(colour: str) -> None:
    shades = desk_of(name="Leitstelle", colour=colour)["COLORS"]["primary"]
    assert shades.keys() == SHADES.keys()
    for shade, (lightness, _part) in SHADES.items():
        assert shades[shade].startswith(f"oklch(from {colour} {lightness} ")


# A name that is the path of something to import is a name all the same.
@pytest.mark.parametrize("name", ["Leitstelle Süd", "Brand & <Rettung>", "os.getcwd"])
def test_the_name_of_the_site_stands_on_its_pages(client: Client, settings: object, name: str) -> None:
    settings.UNFOLD = desk_of(name=name, colour="#b91c1c")  # type: ignore[attr-defined]
    page = client.get(reverse("admin:login")).content.decode()
    assert name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") in page


@pytest.mark.django_db
def test_times_are_those_of_the_clocks_of_the_organization_that_manages_whoever_looks(client: Client) -> None:
    brigade = OrganizationFactory(time_zone="Asia/Kathmandu")
    alarm = AlarmFactory(organization=brigade, starts_at=datetime(2026, 1, 31, 22, 15, tzinfo=UTC))
    user = UserFactory(is_staff=True, is_superuser=True, managing_organization=brigade)
    client.force_login(user)
    page = client.get(reverse("admin:alarms_alarm_changelist")).content.decode()
    assert "1 Feb 2026, 04:00" in page
    assert "Times of Asia/Kathmandu" in page
    User.objects.update(managing_organization=None)
    page = client.get(reverse("admin:alarms_alarm_changelist"), {"q": alarm.pk}).content.decode()
    assert f"Times of {settings.TIME_ZONE}" in page

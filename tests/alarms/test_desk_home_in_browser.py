"""The home of the admin in a real browser: it keeps itself up to date, by day and by night, on a screen and a phone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from alarms.models import Alarm, AlarmMessage, Sender
from organizations.models import User
from tests.alarms.desk_home import things_of
from tests.browser import Chromium, Phone, chromium
from tests.factories import AlarmFactory, AlarmMessageFactory, OrganizationFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with chromium() as running:
        yield running


def open_home(browser: Chromium, live_server: LiveServer) -> Phone:
    client = Client()
    client.force_login(User.objects.create_superuser("boss"))
    phone = Phone(browser)
    name = settings.SESSION_COOKIE_NAME
    cookie = {"name": name, "value": client.cookies[name].value, "url": live_server.url}
    phone.do(lambda page: page.context.add_cookies([cookie]))  # type: ignore[list-item] # a dict all the same
    assert phone.open(f"{live_server.url}/admin/") == 200
    return phone


def serious(phone: Phone) -> dict[str, str]:
    """Return what axe-core finds seriously wrong: by rule, the first element that breaks it."""
    found = phone.do(Axe().run).response["violations"]
    return {each["id"]: each["nodes"][0]["html"] for each in found if each["impact"] in {"serious", "critical"}}


def look(phone: Phone) -> None:
    """Check the page by day and by night, on a screen and a phone."""
    for width, height, scheme in ((1280, 800, "light"), (390, 844, "dark")):
        phone.do(lambda page, width=width, height=height: page.set_viewport_size({"width": width, "height": height}))
        phone.do(lambda page, scheme=scheme: page.emulate_media(color_scheme=scheme))
        assert serious(phone) == {}
        assert phone.overflow() <= 0


def share(page: Page, alarm: Alarm) -> float:
    """Return how much of its bar is positive."""
    bar = page.locator(f"#home-alarm-{alarm.pk} .desk-bar")
    return float(bar.evaluate("bar => bar.querySelector('.positive').offsetWidth / bar.offsetWidth"))


def test_it_shows_what_has_changed_by_itself(browser: Chromium, live_server: LiveServer) -> None:
    organization = OrganizationFactory()
    things_of(organization, "first")
    alarm = AlarmFactory(organization=organization, event_name="B3 Museum")
    AlarmMessageFactory.create_batch(4, alarm=alarm)
    phone = open_home(browser, live_server)
    home = ".desk-home"

    def shows(words: str) -> None:
        phone.do(lambda page: expect(page.locator(home)).to_contain_text(words))

    shows("No sender is running.")
    assert phone.do(lambda page: share(page, alarm)) == 0
    phone.do(lambda page: page.locator("#home-chart-table summary").click())
    look(phone)

    # The link that has the focus keeps it when another alarm comes in above it, and what was opened stays open.
    phone.do(lambda page: page.locator(f"#home-alarm-link-{alarm.pk}").focus())
    AlarmMessage.objects.filter(alarm=alarm).update(response=True, responded_at=timezone.now())
    Sender.objects.create(host="here", pid=1, heartbeat_at=timezone.now() + timedelta(hours=1))
    AlarmMessageFactory(alarm__event_name="T1 Tree")
    shows("T1 Tree")
    shows("4 positive")
    phone.do(lambda page: expect(page.locator(home)).not_to_contain_text("No sender is running."))
    phone.do(lambda page: expect(page.locator(f"#home-alarm-link-{alarm.pk}")).to_be_focused())
    phone.do(
        lambda page: page.wait_for_function(
            f"document.querySelector('#home-alarm-{alarm.pk} .positive').offsetWidth > 0"
        )
    )
    phone.do(lambda page: expect(page.locator("#home-chart-table table")).to_be_visible())

    Alarm.objects.update(closed_at=timezone.now())
    shows("No alarm is open.")
    look(phone)
    assert phone.complaints == []
    assert phone.hosts == {urlsplit(live_server.url).netloc}
    phone.close()

"""The page of an alarm in a real browser: what moves by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from alarms.answering import answer_alarm
from alarms.models import Alarm, AlarmMessage, DeviceMessage
from alarms.raising import start_alarm
from organizations.models import Organization, User
from tests.browser import Chromium, Phone, chromium
from tests.factories import AlarmFactory, AlarmMessageFactory, DeviceMessageFactory, admin, member

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with chromium() as running:
        yield running


def logged_in(browser: Chromium, address: str, user: User, **options: Any) -> Phone:
    client = Client()
    client.force_login(user)
    phone = Phone(browser, **options)
    cookie = {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": address}
    phone.do(lambda page: page.context.add_cookies([cookie]))  # type: ignore[list-item]
    return phone


def serious(phone: Phone) -> dict[str, str]:
    """Return what axe-core finds seriously wrong: by rule, the first element that breaks it."""
    found = phone.do(Axe().run).response["violations"]
    return {each["id"]: each["nodes"][0]["html"] for each in found if each["impact"] in {"serious", "critical"}}


def shows(phone: Phone, selector: str, text: str) -> None:
    phone.do(lambda page: expect(page.locator(selector)).to_have_text(text))


def says_when_it_hears_nothing(phone: Phone, boss: User) -> None:
    phone.do(lambda page: expect(page.locator("[data-poll-lost]")).to_be_hidden())
    User.objects.filter(pk=boss.pk).update(is_active=False)
    phone.do(lambda page: expect(page.locator("[data-poll-lost]")).to_be_visible())
    User.objects.filter(pk=boss.pk).update(is_active=True)
    phone.do(lambda page: expect(page.locator("[data-poll-lost]")).to_be_hidden())


def test_the_bar_moves_by_itself_until_one_is_logged_out(
    browser: Chromium, brigade: Organization, live_server: Any, now: datetime
) -> None:
    alarm = AlarmFactory(organization=brigade, event_name="B3 Museum", starts_at=now)
    people = [member(brigade, login=f"kim{number}") for number in range(2)]
    for user in people:
        whose = AlarmMessageFactory(alarm=alarm, user=user, deadline=now + timedelta(hours=1))
        DeviceMessageFactory(
            alarm_message=whose,
            status=DeviceMessage.Status.SENT,
            tried=[{"gateway": "first", "at": now.isoformat(), "reason": "503"}],
        )
    boss = admin(brigade, is_staff=True)
    phone = logged_in(browser, live_server.url, boss, locale="en-US", timezone_id="America/New_York")
    address = reverse("admin:alarms_alarm_change", args=[alarm.pk])
    assert phone.open(f"{live_server.url}{address}") == 200
    phone.do(lambda page: page.evaluate("window.sameDocument = true"))
    phone.do(lambda page: expect(page.locator("[role=timer]")).to_have_text(re.compile(r"^(1:00:00|59:\d\d)$")))
    assert serious(phone) == {}
    assert phone.overflow() <= 0

    # What one has opened and where one stands outlives what is new.
    phone.do(lambda page: page.locator("#alarm-recipients summary").last.click())
    phone.do(lambda page: page.locator("#alarm-again").focus())
    answer_alarm(alarm_id=alarm.pk, user_id=people[0].pk, response=True, source="SMS", organization=None)
    shows(phone, "[data-count=positive]", "1")
    shows(phone, "[data-count=unknown]", "1")
    phone.do(
        lambda page: expect(page.locator(".desk-bar .positive").first).to_have_attribute("style", "width: 50.000%")
    )
    phone.do(lambda page: expect(page.locator("#alarm-recipients")).to_contain_text("by SMS"))
    phone.do(lambda page: expect(page.locator("#alarm-timeline .positive").first).to_be_attached())
    phone.do(lambda page: expect(page.locator("#alarm-again")).to_be_focused())
    assert phone.do(lambda page: page.evaluate("window.sameDocument")) is True
    assert serious(phone) == {}
    assert phone.complaints == []
    assert phone.hosts == {live_server.url.removeprefix("http://")}
    says_when_it_hears_nothing(phone, boss)
    phone.close()


def test_the_page_of_a_scheduled_alarm_becomes_that_of_the_raised_one_by_itself(
    browser: Chromium, brigade: Organization, live_server: Any, now: datetime
) -> None:
    later = {"starts_at": now + timedelta(hours=1), "pending_resources": {"all_users": True}}
    alarm = AlarmFactory(organization=brigade, **later)
    phone = logged_in(browser, live_server.url, admin(brigade, is_staff=True, last_name="Boss"), locale="en-US")
    phone.open(live_server.url + reverse("admin:alarms_alarm_change", args=[alarm.pk]))
    phone.do(lambda page: expect(page.locator("#alarm-meant")).to_be_visible())
    # What is new while it is still to come is shown without loading the page again.
    phone.do(lambda page: page.evaluate("window.sameDocument = true"))
    Alarm.objects.filter(pk=alarm.pk).update(starts_at=now + timedelta(days=2, hours=1))
    phone.do(lambda page: expect(page.locator("[role=timer]")).to_contain_text("2 d"))
    assert phone.do(lambda page: page.evaluate("window.sameDocument")) is True

    start_alarm(alarm_id=alarm.pk, now=timezone.now())
    phone.do(lambda page: expect(page.locator("#alarm-recipients")).to_contain_text("Boss"))
    phone.do(lambda page: expect(page.locator("#alarm-timeline")).to_be_visible())
    phone.do(lambda page: expect(page.locator("#alarm-meant")).to_have_count(0))
    # Once: what moves on that page is shown in it.
    phone.do(lambda page: page.evaluate("window.sameDocument = true"))
    AlarmMessage.objects.filter(alarm=alarm).update(response=True)
    shows(phone, "[data-count=positive]", "1")
    assert phone.do(lambda page: page.evaluate("window.sameDocument")) is True
    assert phone.complaints == []
    phone.close()


def test_the_characters_of_an_all_clear_are_counted(browser: Chromium, brigade: Organization, live_server: Any) -> None:
    alarm = AlarmFactory(organization=brigade)
    phone = logged_in(browser, live_server.url, admin(brigade, is_staff=True), locale="en-US", color_scheme="dark")
    phone.open(live_server.url + reverse("admin:alarms_alarm_close", args=[alarm.pk]))

    def written(text: str) -> str:
        phone.do(lambda page: page.get_by_label("All-clear").fill(text))
        return str(phone.do(lambda page: page.locator("#all-clear-counter").inner_text()))

    assert written("Over 🚒\n!") == "8 of 960 characters"
    assert written("x" * 961) == "961 of 960 characters"
    assert serious(phone) == {}
    assert phone.overflow() <= 0
    assert phone.complaints == []
    phone.close()

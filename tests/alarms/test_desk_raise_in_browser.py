"""Raising an alarm in a real browser, by keyboard, with what its scripts do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from alarms.models import Alarm
from organizations.models import Organization
from tests.alarms.desk_raising import ADD, at_desk
from tests.browser import STATUS, Chromium, Phone, chromium
from tests.factories import AlarmTemplateFactory, GroupFactory, OrganizationFactory, admin, member

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def browser() -> Iterator[Chromium]:
    with chromium() as running:
        yield running


def opened(browser: Chromium, live_server: Any, organization: Organization) -> Phone:
    """Return the page that raises alarms, on the phone of somebody who has logged in."""
    phone = Phone(browser)
    client = at_desk(admin(organization, login="boss", ways=("sms",)))
    cookie = {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}
    phone.do(lambda page: page.context.add_cookies([cookie]))  # type: ignore[list-item]
    assert phone.open(f"{live_server.url}{ADD}") == 200
    return phone


def enter_text(page: Page, group: str) -> None:
    """Write a text, take the template instead, and change it."""
    text, counter = page.get_by_label("Text"), page.locator("[data-count]")
    expect(text).to_be_focused()
    page.keyboard.type("🔥\n")
    expect(counter).to_have_text("2 of 960 characters")
    page.get_by_label("Template").select_option(label="Flood")
    expect(page.get_by_text("Filled in from the template Flood.")).to_be_visible()
    expect(text).to_have_value("Flood: come")
    expect(page.get_by_label("Event")).to_have_value("W1")
    expect(page.get_by_label(group)).to_be_checked()
    text.fill("x" * 961)
    expect(counter).to_have_text("961 of 960 characters: too long")
    text.fill("Come")


def choose_people(page: Page) -> None:
    """Search for three people and choose them with keys; leave one of them out again."""
    people, chosen = page.get_by_role("combobox", name="People"), page.locator("[data-chips] small")
    hits = page.get_by_role("listbox", name="People").get_by_role("option")
    for typed, keys, offered in (("pat", (), 3), ("person", ("ArrowDown",), 2), ("pat1", ("ArrowUp",), 1)):
        people.fill(typed)
        expect(hits).to_have_count(offered)
        for key in (*keys, "Enter"):
            page.keyboard.press(key)
        expect(people).to_have_value("")
    expect(chosen).to_have_text(["pat0", "pat2", "pat1"])
    people.fill("nobody")
    expect(page.get_by_text("Nobody of that name.")).to_be_visible()
    people.fill("")
    page.get_by_role("button", name="Remove Pat Person 2").press("Enter")
    expect(chosen).to_have_text(["pat0", "pat1"])


def look_go_back_and_look_again(page: Page) -> None:
    page.get_by_role("button", name="Preview").last.click()
    expect(page.get_by_text("of 2 recipients can be reached")).to_be_visible()
    page.get_by_role("button", name="Back, and change").click()
    expect(page.locator("[data-chips] small")).to_have_text(["pat0", "pat1"])
    expect(page.get_by_label("Text")).to_have_value("Come")
    page.get_by_role("button", name="Preview").last.click()
    expect(page.get_by_role("button", name="Alarm 2 people now")).to_be_visible()


def test_somebody_raises_an_alarm_with_keys_and_a_template(browser: Chromium, live_server: Any) -> None:
    brigade = OrganizationFactory()
    for number in range(3):
        member(brigade, first_name="Pat", last_name=f"Person {number}", login=f"pat{number}", ways=("sms",))
    group = GroupFactory(organization=brigade)
    template = AlarmTemplateFactory(organization=brigade, name="Flood", message="Flood: come", event_name="W1")
    template.groups.set([group])
    phone = opened(browser, live_server, brigade)
    refused: list[str] = []
    phone.do(lambda page: page.on("response", lambda answer: refused.extend([answer.url] * (answer.status >= 400))))
    phone.do(lambda page: enter_text(page, group.name))
    phone.do(choose_people)
    assert serious(phone) == []
    assert phone.overflow() <= 0
    phone.do(look_go_back_and_look_again)
    assert serious(phone) == []
    assert phone.overflow() <= 0
    phone.do(lambda page: page.get_by_role("button", name="Alarm 2 people now").dblclick())
    phone.do(lambda page: page.wait_for_url("**/change/"))
    alarm = Alarm.objects.get()
    assert (alarm.message, alarm.event_name) == ("Come", "W1")
    assert sorted(alarm.alarm_messages.values_list("user__login", flat=True)) == ["pat0", "pat1"]
    # The browser asks for an icon of the site by itself.
    assert [text for text in phone.complaints if not text.startswith(STATUS)] == []
    assert refused == []
    assert phone.hosts == {live_server.url.removeprefix("http://")}
    phone.close()


def serious(phone: Phone) -> list[str]:
    """Return what axe-core finds that keeps somebody from using the page."""
    found = phone.do(Axe().run).response["violations"]
    return [each["id"] for each in found if each["impact"] in {"serious", "critical"}]

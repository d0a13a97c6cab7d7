"""Ordering an escalation in a real browser: by keyboard, by mouse and with a finger, and what is drawn meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.test import Client
from playwright.sync_api import Page, expect

from escalations.models import EscalationConfiguration
from tests.browser import Chromium, Phone, chromium
from tests.escalations.test_admin import page as address_of
from tests.factories import OrganizationFactory, UserFactory, escalation, member

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with chromium() as running:
        yield running


def order(page: Page) -> list[str]:
    """Return the ways of alarm from top to bottom, as they are seen."""
    return [select.input_value() for select in page.locator("[name$=-wayofalarm]:visible").all()]


def places(page: Page, number: int, onto: int) -> tuple[float, float, float]:
    """Return where an entry is held, and from where to where that goes which lies past another one's middle."""
    handle = page.locator("[data-handle]:visible").nth(number)
    handle.evaluate("handle => handle.scrollIntoView({block: 'center'})")
    start, end = handle.bounding_box(), page.locator("[role=group]:visible").nth(onto).bounding_box()
    assert start is not None
    assert end is not None
    past = end["y"] + (end["height"] - 10 if onto > number else 10)
    return start["x"] + start["width"] / 2, start["y"] + start["height"] / 2, past


def drag(page: Page, number: int, onto: int) -> None:
    x, start, end = places(page, number, onto)
    page.mouse.move(x, start)
    page.mouse.down()
    page.mouse.move(x, end, steps=5)
    page.mouse.up()


def drag_with_a_finger(page: Page, number: int, onto: int) -> None:
    x, start, end = places(page, number, onto)
    touch = page.context.new_cdp_session(page)
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": start}]})
    for y in (start + (end - start) / 2, end):
        touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x, "y": y}]})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def sentences(phone: Phone, *expected: str) -> None:
    phone.do(lambda page: expect(page.locator(".escalation-sentences li")).to_have_text(expected))


def said(phone: Phone, words: str) -> None:
    phone.do(lambda page: expect(page.locator("[data-said]")).to_have_text(words))


def logged_in(browser: Chromium, client: Client, url: str) -> Phone:
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    cookie = {"name": settings.SESSION_COOKIE_NAME, "value": client.cookies[settings.SESSION_COOKIE_NAME].value}
    phone = Phone(browser)
    phone.do(lambda page: page.context.add_cookies([cookie | {"url": url}]))  # type: ignore[list-item]
    return phone


def move_by_keyboard(phone: Phone) -> None:
    """The focus stays on the entry, so that it can go on."""
    phone.do(lambda page: page.get_by_role("button", name="Move up entry 3: call").focus())
    phone.do(lambda page: page.keyboard.press("Enter"))
    assert phone.do(order) == ["app", "call", "sms"]
    said(phone, "call is now entry 2 of 3.")
    assert phone.do(lambda page: page.evaluate("document.activeElement.ariaLabel")) == "Move up entry 2: call"
    sentences(phone, "After 0 s app push", "After 2 min call", "After 3 min SMS", "Time out after 15 min")


def move_with_a_finger_and_with_a_mouse(phone: Phone) -> None:
    phone.do(lambda page: drag_with_a_finger(page, 2, 1))
    said(phone, "SMS is now entry 2 of 3.")
    assert phone.do(order) == ["app", "sms", "call"]
    phone.do(lambda page: drag(page, 1, 2))
    said(phone, "SMS is now entry 3 of 3.")
    assert phone.do(order) == ["app", "call", "sms"]


def add_one_and_remove_one(phone: Phone) -> None:
    """The words follow the number, and what comes too late is told."""
    phone.do(lambda page: page.get_by_role("button", name="Add an entry").click())
    phone.do(lambda page: page.get_by_label("Way of alarm").last.select_option("email"))
    phone.do(lambda page: page.get_by_label("Seconds after the one before").last.fill("750"))
    phone.do(lambda page: expect(page.locator("output").last).to_have_text("12 min 30 s"))
    warned = "E-mail after 15 min 30 s lies behind the response timeout of Village (15 min): not sent."
    phone.do(lambda page: expect(page.locator(".escalation-warnings")).to_contain_text(warned))
    phone.do(lambda page: expect(page.locator("[data-warned]")).to_have_text("1 warning"))
    phone.do(lambda page: page.get_by_role("button", name="Remove entry 1: app push").click())
    until = "Time out after 17 min (15 min after the first message)"
    sentences(phone, "After 2 min call", "After 3 min SMS", "After 15 min 30 s e-mail", until)


def test_entries_are_put_in_order_and_the_drawing_follows(browser: Chromium, live_server: Any, client: Client) -> None:
    user = member(OrganizationFactory(name="Village"), ways=("app", "sms", "call", "email"))
    escalation(user, ("app", 0), ("sms", 60), ("call", 120))
    phone = logged_in(browser, client, live_server.url)
    assert phone.open(live_server.url + address_of(EscalationConfiguration.objects.get())) == 200
    sentences(phone, "After 0 s app push", "After 1 min SMS", "After 3 min call", "Time out after 15 min")
    assert not phone.do(lambda page: page.locator("[name$=-position]").first.is_visible())
    assert phone.do(lambda page: page.locator("[name$=-wayofalarm]").count()) == 3
    assert phone.overflow() <= 0
    found = phone.do(Axe().run).response["violations"]
    assert [each["id"] for each in found if each["impact"] in {"serious", "critical"}] == []

    move_by_keyboard(phone)
    move_with_a_finger_and_with_a_mouse(phone)
    add_one_and_remove_one(phone)
    phone.do(lambda page: page.get_by_role("button", name="Move up entry 3: e-mail").click())
    phone.do(lambda page: page.get_by_role("button", name="Save", exact=True).click())
    phone.do(lambda page: page.wait_for_url("**/escalationconfiguration/"))
    assert EscalationConfiguration.objects.entries_of(user) == [("call", 120), ("email", 750), ("sms", 60)]
    assert phone.complaints == []
    assert phone.hosts == {urlsplit(live_server.url).netloc}
    phone.close()

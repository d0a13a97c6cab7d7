"""Setting up a second factor and logging in with it, in a real browser: what test_desk_pages.py does not come by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from organizations.models import SecondFactor, User
from tests.browser import Chromium, Phone, chromium
from tests.factories import OrganizationFactory, admin
from tests.messaging_project.test_desk_pages import STILL, found_by_axe
from tests.organizations import authenticator

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "horse battery staple"


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with chromium() as running:
        yield running


@pytest.fixture
def anna() -> User:
    user = admin(OrganizationFactory(), login="anna", is_staff=True)
    user.set_password(PASSWORD)
    user.save()
    return user


def wrong(page: Page) -> dict[str, Any]:
    """Return what is wrong with how a page looks, by day and by night, on a narrow phone."""
    page.add_style_tag(content=STILL)
    found: dict[str, Any] = {}
    for way, change in (("light", "remove"), ("dark", "add")):
        page.evaluate(f"document.documentElement.classList.{change}('dark')")
        found[way] = found_by_axe(page)
    found["px too wide"] = max(0, page.evaluate("document.documentElement.scrollWidth - innerWidth"))
    page.evaluate("document.documentElement.classList.remove('dark')")
    return {way: each for way, each in found.items() if each}


class Session:
    """What somebody does on a phone, each page of which is looked at."""

    def __init__(self, browser: Chromium, url: str, **options: Any) -> None:
        self.phone = Phone(browser, width=375, height=800, **options)
        self._url = url

    def open(self, view: str) -> int:
        return self.phone.open(self._url + reverse(f"admin:{view}"))

    def fill(self, **fields: str) -> None:
        for name, value in fields.items():
            self.phone.do(lambda page, name=name, value=value: page.locator(f"[name={name}]").fill(value))  # type: ignore[misc]

    def press(self, button: str) -> None:
        self.phone.do(lambda page: page.get_by_role("button", name=button).filter(visible=True).first.click())

    def reads(self, text: str) -> None:
        self.phone.do(lambda page: expect(page.locator("body")).to_contain_text(text))
        assert self.phone.do(wrong) == {}, text

    def log_in(self, password: str = PASSWORD) -> None:
        self.open("login")
        self.fill(username="anna", password=password)
        self.phone.do(lambda page: page.locator("#login-form [type=submit]").click())

    def shown(self, selector: str) -> str:
        return str(self.phone.do(lambda page: page.locator(selector).inner_text()))


def set_up(session: Session) -> tuple[str, list[str]]:
    """Return the secret and the recovery codes."""
    assert session.open("second_factor") == 200
    session.reads("1. Add this account to an authenticator app")
    secret = session.shown("#secret")
    session.fill(code=authenticator.current(secret))
    session.press("Set it up")
    session.reads("These codes are shown this once: keep them now.")
    return secret, session.shown("#codes").split()


def test_a_second_factor_from_the_first_picture_to_the_last_code(
    browser: Chromium, live_server: Any, anna: User
) -> None:
    session = Session(browser, live_server.url, permissions=["clipboard-read", "clipboard-write"])
    session.log_in()
    secret, codes = set_up(session)
    assert len(codes) == 10
    session.press("Copy the codes")
    session.reads("Copied.")
    assert session.phone.do(lambda page: page.evaluate("navigator.clipboard.readText()")).split() == codes
    session.open("second_factor")
    session.reads("10 recovery codes are left")
    session.fill(password=PASSWORD, code="123456")
    session.press("New recovery codes")
    session.reads("Password or code is not right.")

    SecondFactor.objects.update(last_step=0)
    other = Session(browser, live_server.url)
    other.log_in()
    other.fill(code=authenticator.wrong(secret))
    other.press("Log in")
    other.reads("This code is not right, or was used before.")
    other.fill(code=authenticator.current(secret))
    other.press("Log in")
    other.phone.do(lambda page: expect(page.locator("body")).to_contain_text("Open alarms"))
    assert [*session.phone.complaints, *other.phone.complaints] == []
    for each in (session, other):
        each.phone.close()


def test_without_the_phone_a_recovery_code_lets_one_in_in_german_too(
    browser: Chromium, live_server: Any, anna: User
) -> None:
    _secret, codes = authenticator.give(anna)
    session = Session(browser, live_server.url, locale="de-DE")
    session.log_in()
    session.reads("Die sechs Ziffern")
    session.phone.do(lambda page: page.get_by_role("link", name="Einen Ersatzcode benutzen").click())
    session.reads("Einer der Ersatzcodes")
    session.fill(code=codes[0])
    session.press("Anmelden")
    session.phone.do(lambda page: expect(page.locator("body")).to_contain_text("Offene Alarme"))
    assert session.phone.complaints == []
    session.phone.close()


def test_whoever_has_to_wait_is_told_how_long(browser: Chromium, live_server: Any, anna: User) -> None:
    session = Session(browser, live_server.url)
    for _ in range(6):
        session.log_in(password="wrong")
        session.phone.do(lambda page: page.wait_for_selector(".errornote"))
    session.reads("Too many attempts. Try again in 15 minutes.")
    session.phone.close()

"""A shift at the desk, on a phone: everything that an organization's admin does there, with the real processes."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.urls import reverse
from playwright.sync_api import Page, expect

from alarms.models import Alarm, DeviceMessage
from escalations.models import EscalationConfiguration
from organizations.models import ApiToken, Organization, User
from tests.browser import Chromium, Phone, chromium
from tests.factories import OrganizationFactory, admin
from tests.processes import Processes, service, until

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "three in the morning"
TEXT = "Smoke in the museum, persons missing"


@pytest.fixture
def browser() -> Iterator[Chromium]:
    with chromium() as running:
        yield running


@pytest.fixture
def running(transactional_db: None, tmp_path: Path) -> Iterator[Processes]:
    with service(tmp_path, GATEWAY_DEFAULT="log:") as processes:
        processes.start_all()
        yield processes


@pytest.fixture
def brigade() -> Organization:
    organization: Organization = OrganizationFactory(name="Brigade")
    # As the web process, which is no test, checks it.
    password = PBKDF2PasswordHasher().encode(PASSWORD, "salt")
    admin(organization, login="anna", password=password, is_staff=True)
    return organization


def members(folder: Path) -> Path:
    """Return a file of 30 people who have a pager and an SMS number."""
    rows = ["login,first_name,last_name,email,language,role,groups,app,pager,sms,call"]
    rows += [
        f"kim{number},Kim,Nr. {number},,en,,Engine 1,,{1000 + number},+4915112345{number:03}," for number in range(30)
    ]
    path = folder / "members.csv"
    path.write_text("\n".join(rows))
    return path


class Shift:
    """What somebody does, one page after the other."""

    def __init__(self, browser: Chromium, running: Processes) -> None:
        self.phone = Phone(browser, locale="en-GB", color_scheme="dark")
        self.url = running.url

    def see(self, work: Callable[[Page], Any]) -> Any:
        return self.phone.do(work)

    def open(self, view: str, *args: object) -> None:
        assert self.phone.open(self.url + reverse(f"admin:{view}", args=args)) == 200

    def press(self, name: str) -> None:
        self.see(lambda page: page.get_by_role("button", name=name, exact=True).filter(visible=True).first.click())

    def follow(self, name: str) -> None:
        self.see(lambda page: page.get_by_role("link", name=name, exact=True).filter(visible=True).first.click())

    def reads(self, text: str | re.Pattern[str], selector: str = "#content") -> None:
        self.see(lambda page: expect(page.locator(selector).first).to_contain_text(text))

    def post(self, token: str, path: str, **body: Any) -> None:
        """Ask as a program does."""
        request = urllib.request.Request(
            f"{self.url}/api/v1/{path}",
            json.dumps(body).encode(),
            {"API-TOKEN": token, "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 200


def log_in(shift: Shift) -> None:
    shift.open("index")
    shift.see(lambda page: page.locator("[name=username]").fill("anna"))
    shift.see(lambda page: page.locator("[name=password]").fill(PASSWORD))
    shift.see(lambda page: page.locator("[type=submit]").click())
    shift.reads("Open alarms")
    # The menu opens without a finger too.
    entry = "#nav-sidebar-apps a[href='/admin/alarms/alarm/']"
    shift.see(lambda page: expect(page.locator(entry)).to_be_hidden())
    shift.see(lambda page: page.get_by_role("button", name="Menu").press("Enter"))
    shift.see(lambda page: expect(page.locator(entry)).to_be_visible())


def issue_a_token(shift: Shift, brigade: Organization) -> str:
    shift.open("organizations_apitoken_add")
    shift.see(lambda page: page.locator("[name=name]").fill("control room"))
    shift.press("Issue the token")
    text: str = shift.see(lambda page: page.locator("#token").inner_text())
    assert text.startswith(ApiToken.objects.get(organization=brigade).prefix)
    return text


def import_members(shift: Shift, brigade: Organization, folder: Path) -> None:
    shift.open("organizations_membership_changelist")
    shift.follow("Import and export members")
    path = members(folder)
    shift.see(lambda page: page.locator("[type=file]").set_input_files(path))
    shift.press("Show what would change")
    shift.reads("kim29")
    assert brigade.memberships.count() == 1
    shift.press("Import")
    until(lambda: brigade.memberships.count() == 31, what="the members are there")


def order_an_escalation(shift: Shift, brigade: Organization) -> None:
    shift.phone.open(f"{shift.url}{reverse('admin:escalations_escalationconfiguration_add')}?organization={brigade.pk}")
    ways: list[str] = shift.see(
        lambda page: [each.input_value() for each in page.locator("[name$=-wayofalarm]:visible").all()]
    )
    while ways:
        way = ways.pop()
        if way not in {"pager", "sms"}:
            shift.see(
                lambda page, name=f"Remove entry {len(ways) + 1}:": page.get_by_role("button", name=name).click()  # noqa: B008
            )
    shift.see(lambda page: page.get_by_label("Seconds after the one before").last.fill("2"))
    shift.reads("After 2 s SMS", ".escalation-sentences")
    shift.press("Save")
    until(lambda: EscalationConfiguration.objects.entries_of(brigade) == [("pager", 0), ("sms", 2)], what="it is saved")


def raise_an_alarm(shift: Shift) -> Alarm:
    shift.open("index")
    shift.follow("Raise an alarm")
    shift.see(lambda page: page.get_by_label("Text", exact=True).fill(TEXT))
    shift.reads(f"{len(TEXT)} of 960")
    shift.see(lambda page: page.get_by_label("Everybody").check())
    shift.press("Preview")
    shift.reads("30 of 31 recipients can be reached")
    shift.reads("anna")
    assert not Alarm.objects.exists()
    shift.press("Alarm 31 people now")
    shift.reads(TEXT)
    return Alarm.objects.get()


def watch_it(shift: Shift, alarm: Alarm, token: str) -> None:
    """See what the sender sends and the people answer, without opening the page again."""
    shift.see(lambda page: page.evaluate("window.opened = 'once'"))
    shift.reads("31 recipients")
    people = list(User.objects.filter(login__startswith="kim").order_by("pk"))
    for number, user in enumerate(people[:8]):
        shift.post(token, "messaging/feedback", alarmID=alarm.pk, userID=user.pk, response=number % 4 != 3)
    shift.reads("6", "[data-count=positive]")
    shift.reads("2", "[data-count=negative]")
    shift.reads("23", "[data-count=unknown]")
    until(
        lambda: DeviceMessage.objects.filter(way="sms", status=DeviceMessage.Status.SENT).exists(), what="an SMS leaves"
    )
    shift.reads("SMS", "#alarm-timeline")
    assert shift.see(lambda page: page.evaluate("window.opened")) == "once"


def close_it(shift: Shift, alarm: Alarm) -> None:
    shift.follow("Close the alarm")
    shift.see(lambda page: page.locator("textarea").fill("Fire is out. Thank you."))
    shift.press("Close the alarm")
    shift.reads("Fire is out. Thank you.")
    shift.reads("closed on")
    alarm.refresh_from_db()
    assert alarm.closed_at is not None
    all_clear = DeviceMessage.objects.filter(kind=DeviceMessage.Kind.ALL_CLEAR, status=DeviceMessage.Status.SENT)
    until(lambda: all_clear.count() >= 28, what="everybody who did not decline is told")


def test_a_shift_at_the_desk(browser: Chromium, running: Processes, brigade: Organization, tmp_path: Path) -> None:
    shift = Shift(browser, running)
    log_in(shift)
    token = issue_a_token(shift, brigade)
    import_members(shift, brigade, tmp_path)
    order_an_escalation(shift, brigade)
    alarm = raise_an_alarm(shift)
    watch_it(shift, alarm, token)
    close_it(shift, alarm)
    assert shift.phone.complaints == []
    assert shift.phone.hosts == {running.url.removeprefix("http://")}
    for process in ("web", "worker", "sender"):
        assert token not in running.log(process)
        assert PASSWORD not in running.log(process)
    shift.phone.close()

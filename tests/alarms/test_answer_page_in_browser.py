"""The answer page in a real browser as big as a phone, by day and by night, with and without scripts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from alarms.models import AlarmMessage
from tests.alarms.test_answer_page import TEXTS, history, too_late, update
from tests.browser import Chromium, Phone, chromium
from tests.factories import AlarmFactory, AlarmMessageFactory, UserFactory
from tests.processes import Processes, service, until

pytestmark = pytest.mark.django_db(transaction=True)

# The longest that there is, with a word that fits no line.
LONGEST = f"Smoke in the museum\n  {'Donaudampfschifffahrt' * 10}\n{'Lorem ipsum dolor. ' * 50}"[:960]
NARROW = {"width": 320, "height": 568}


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def web(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """A web process, which no test changes."""
    with service(tmp_path_factory.mktemp("web")) as processes:
        processes.start("web")
        until(processes.alive)
        yield processes


def recipient(language: str = "en", **fields: Any) -> AlarmMessage:
    """Return somebody who has a colleague that can answer longer."""
    alarm = AlarmFactory(message=LONGEST, event_name="B3 Museum")
    AlarmMessageFactory(alarm=alarm, deadline=timezone.now() + timedelta(hours=1))
    created: AlarmMessage = AlarmMessageFactory(alarm=alarm, user=UserFactory(language=language), **fields)
    return created


def look(phone: Phone, web: Processes, *, buttons: bool) -> None:
    """Check all that holds for each page, on two sizes of phones."""
    for size in (NARROW, {"width": 390, "height": 844}):
        phone.do(lambda page, size=size: page.set_viewport_size(size))
        assert phone.violations() == ""
        assert phone.overflow() <= 0
        boxes = phone.do(lambda page: [button.bounding_box() for button in page.get_by_role("button").all()])
        assert len(boxes) == (2 if buttons else 0)
        for box in boxes:
            assert box is not None
            assert box["height"] >= 64
            assert box["width"] >= 120
    assert phone.complaints == []
    assert phone.hosts == {web.url.removeprefix("http://")}


def shows(phone: Phone, words: str) -> None:
    phone.do(lambda page: expect(page.locator("body")).to_contain_text(words, use_inner_text=True))


def says(phone: Phone, language: str, value: str) -> None:
    """Wait for the page that says what was answered."""
    shows(phone, TEXTS[language]["said"])
    phone.do(lambda page: expect(page.locator("#answer strong")).to_have_text(TEXTS[language][value]))


def leaves_no_trace(phone: Phone, web: Processes, *codes: str) -> None:
    assert phone.do(lambda page: page.context.cookies()) == []
    for code in codes:
        assert code not in web.log("web")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", TEXTS)
def test_answering_changing_the_answer_too_late_over_and_unknown(
    browser: Chromium, web: Processes, language: Any, scheme: Any
) -> None:
    texts, whose = TEXTS[language], recipient(language)
    # The one who opens it may have set the browser to another language than their own.
    phone = Phone(browser, color_scheme=scheme, locale="de-DE")
    assert phone.open(f"{web.url}/a/{whose.code}") == 200
    background = phone.do(lambda page: page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))
    assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(11, 13, 16)"}[scheme]
    shows(phone, LONGEST.split()[-1])
    look(phone, web, buttons=True)

    for value, answers in (("yes", [True]), ("no", [True, False]), ("yes", [True, False, True])):
        phone.do(lambda page, value=value: page.locator(f"button[value={value}]").click())
        says(phone, language, value)
        assert history(whose) == answers
        # What was answered is seen at once, and read aloud first.
        phone.do(lambda page: expect(page.locator("#answer")).to_be_focused())
        phone.do(lambda page: expect(page.locator("#answer")).to_be_in_viewport(ratio=1))
        look(phone, web, buttons=True)

    too_late(whose)
    phone.do(lambda page: page.locator("button[value=no]").click())
    shows(phone, texts["late"])
    assert history(whose) == [True, False, True]
    look(phone, web, buttons=False)
    assert phone.open(f"{web.url}/a/{whose.code}") == 200
    shows(phone, texts["late"])
    look(phone, web, buttons=False)

    update(whose.alarm, closed_at=timezone.now())
    assert phone.open(f"{web.url}/a/{whose.code}") == 410
    shows(phone, texts["over"])
    look(phone, web, buttons=False)
    assert phone.open(f"{web.url}/a/0123456789ab") == 404
    shows(phone, TEXTS["de"]["unknown"])
    look(phone, web, buttons=False)
    leaves_no_trace(phone, web, whose.code, "0123456789ab")
    phone.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("response", [None, True])
def test_the_page_counts_down_and_says_when_it_is_too_late(
    browser: Chromium, web: Processes, scheme: Any, response: bool | None
) -> None:
    whose = recipient(deadline=timezone.now() + timedelta(hours=2), response=response)
    update(whose.alarm.alarm_messages.exclude(pk=whose.pk).get(), deadline=timezone.now() + timedelta(hours=3))
    phone = Phone(browser, color_scheme=scheme)
    clock = phone.do(lambda page: page.clock)
    # From here on time passes in this browser only when it is told to.
    phone.do(lambda _page: clock.install(time=0))
    phone.do(lambda _page: clock.pause_at(1000))
    phone.open(f"{web.url}/a/{whose.code}")
    shows(phone, "1\xa0h 5")
    left = int(phone.do(lambda page: page.locator("#left").get_attribute("data-seconds")) or 0)
    # What a screen reader says is noted.
    phone.do(
        lambda page: page.evaluate(
            "said = []; new MutationObserver(() => said.push(document.getElementById('spoken').textContent.trim()))"
            ".observe(document.getElementById('spoken'), {childList: true})"
        )
    )
    # A phone that was locked missed all the seconds in between.
    phone.do(lambda _page: clock.fast_forward((left - 330) * 1000))
    shows(phone, "\n5\xa0min 30\xa0s left\n")
    phone.do(lambda _page: clock.run_for(285 * 1000))
    shows(phone, "\n45\xa0s left\n")
    phone.do(lambda page: page.get_by_role("button").first.focus())
    assert TEXTS["en"]["late"] not in phone.do(lambda page: page.inner_text("body"))
    phone.do(lambda _page: clock.run_for(45 * 1000))
    shows(phone, TEXTS["en"]["late"])
    shows(phone, "B3 Museum")
    first, second, *rest = phone.do(lambda page: page.evaluate("said"))
    assert (first, second) == ("5 minutes left to answer", "1 minute left to answer")
    assert [TEXTS["en"]["late"] in each for each in rest] == [True]
    assert phone.do(lambda page: page.title()) == "Too late to answer"
    assert phone.do(lambda page: page.evaluate("document.activeElement.className")) == "late"
    phone.do(lambda _page: clock.resume())
    look(phone, web, buttons=False)
    phone.close()


def test_the_page_that_was_left_shows_how_things_stand_when_somebody_comes_back(
    browser: Chromium, web: Processes
) -> None:
    whose = recipient()
    phone = Phone(browser)
    phone.open(f"{web.url}/a/{whose.code}")
    phone.open(f"{web.url}/health/live")
    update(whose, response=False)
    phone.do(lambda page: page.go_back())
    says(phone, "en", "no")
    phone.close()


def test_two_taps_before_the_answer_is_there_are_no_trouble(browser: Chromium, web: Processes) -> None:
    whose = recipient()
    phone = Phone(browser)
    phone.open(f"{web.url}/a/{whose.code}")
    phone.do(lambda page: page.locator("button[value=yes]").dblclick())
    says(phone, "en", "yes")
    assert history(whose) == [True]
    assert phone.complaints == []
    phone.close()


@pytest.mark.parametrize("language", TEXTS)
def test_all_of_it_works_with_the_keyboard(browser: Chromium, web: Processes, language: str) -> None:
    whose = recipient(language)
    phone = Phone(browser)
    phone.open(f"{web.url}/a/{whose.code}")

    def focused(page: Page) -> tuple[str, str]:
        found = page.evaluate(
            "[document.activeElement.innerText, getComputedStyle(document.activeElement).outlineStyle]"
        )
        return found[0], found[1]

    for name in ("yes", "no"):
        phone.do(lambda page: page.keyboard.press("Tab"))
        assert phone.do(focused) == (TEXTS[language][name], "solid")
    phone.do(lambda page: page.keyboard.press("Enter"))
    says(phone, language, "no")
    # From the answer it is one step to changing it.
    phone.do(lambda page: page.keyboard.press("Tab"))
    phone.do(lambda page: page.keyboard.press("Space"))
    says(phone, language, "yes")
    assert history(whose) == [False, True]
    phone.close()


@pytest.mark.parametrize("language", TEXTS)
def test_all_of_it_works_without_scripts(browser: Chromium, web: Processes, language: str) -> None:
    texts, whose = TEXTS[language], recipient(language, deadline=timezone.now() + timedelta(hours=5, minutes=59))
    phone = Phone(browser, java_script_enabled=False)
    phone.open(f"{web.url}/a/{whose.code}")
    shows(phone, "5\xa0h")
    for value in ("yes", "no"):
        phone.do(lambda page, value=value: page.locator(f"button[value={value}]").click())
        says(phone, language, value)
    assert history(whose) == [True, False]
    too_late(whose)
    phone.do(lambda page: page.locator("button[value=yes]").click())
    shows(phone, texts["late"])
    assert history(whose) == [True, False]
    assert phone.hosts == {web.url.removeprefix("http://")}
    phone.close()


def test_on_a_phone_on_its_side_and_with_little_motion_the_buttons_are_found(browser: Chromium, web: Processes) -> None:
    whose = recipient()
    phone = Phone(browser, width=844, height=390, reduced_motion="reduce", forced_colors="active")
    phone.open(f"{web.url}/a/{whose.code}")
    assert phone.violations() == ""
    assert phone.overflow() <= 0
    phone.do(lambda page: page.get_by_role("button", name=TEXTS["en"]["no"]).click())
    says(phone, "en", "no")
    phone.close()

"""A real browser, where there is one: always in CI, which installs it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urldefrag, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import ConsoleMessage, Page, Request, expect, sync_playwright

T = TypeVar("T")

TIMEOUT = 60_000  # milliseconds: that a machine is slow is no fault
STATUS = "Failed to load resource: the server responded with a status of "
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def installed() -> str:
    """Return the path of the browser; where there is none, the test is skipped."""
    browser = next(filter(None, map(shutil.which, NAMES)), None)
    if browser is None:
        assert not os.environ.get("CI"), "CI has no browser"
        pytest.skip("no Chromium on this machine: pages are not looked at")
    return browser


def rendered(url: str, profile: Path) -> str:
    """Return the page as it stands when its scripts have run."""
    done = subprocess.run(
        [
            *(installed(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
            *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *(f"--user-data-dir={profile}", "--virtual-time-budget=20000", "--dump-dom", url),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class Chromium:
    """A browser, driven in a thread of its own: its driver has an event loop, and where one runs Django takes other
    connections to the database than the test's."""

    def __init__(self, thread: Executor) -> None:
        self._thread = thread
        path = installed()
        expect.set_options(timeout=TIMEOUT)
        self._driver = self.do(lambda: sync_playwright().start())
        arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
        self._browser = self.do(lambda: self._driver.chromium.launch(executable_path=path, args=arguments))

    def do(self, work: Callable[[], T]) -> T:
        """Return what `work` returns in the browser's thread."""
        return self._thread.submit(work).result()

    def page(self, **options: Any) -> Page:
        """Return a page of a context of its own, which shares nothing with others."""

        def make() -> Page:
            page = self._browser.new_context(**options).new_page()
            page.set_default_timeout(TIMEOUT)
            return page

        return self.do(make)

    def close(self) -> None:
        self.do(self._browser.close)
        self.do(self._driver.stop)


@contextmanager
def chromium() -> Iterator[Chromium]:
    with ThreadPoolExecutor(1) as thread, closing(Chromium(thread)) as browser:
        yield browser


class Phone:
    """A page as big as that of a phone, which notes what it must not do."""

    def __init__(self, browser: Chromium, *, width: int = 390, height: int = 844, **options: Any) -> None:
        self._browser = browser
        size = {"width": width, "height": height}
        self._page = browser.page(viewport=size, device_scale_factor=2, is_mobile=True, has_touch=True, **options)
        self.complaints: list[str] = []
        """Errors and warnings of the console, and those of scripts."""
        self.hosts: set[str] = set()
        """What was asked for anything."""
        self._pages: set[str] = set()
        self.do(self._listen)

    def _listen(self, page: Page) -> None:
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._follow)

    def _follow(self, request: Request) -> None:
        self.hosts.add(urlsplit(request.url).netloc)
        if request.is_navigation_request():
            self._pages.add(urldefrag(request.url).url)

    def _note(self, message: ConsoleMessage) -> None:
        # That a page itself comes with a status such as 404 is noted by the browser, whatever is in it.
        status_of_page = message.text.startswith(STATUS) and urldefrag(message.location["url"]).url in self._pages
        if message.type in {"error", "warning"} and not status_of_page:
            self.complaints.append(message.text)

    def do(self, work: Callable[[Page], T]) -> T:
        """Return what `work` returns of the page."""
        return self._browser.do(lambda: work(self._page))

    def open(self, url: str) -> int:
        """Go to an address; return the status of the answer."""
        response = self.do(lambda page: page.goto(url))
        assert response is not None
        return response.status

    def violations(self) -> str:
        """Return what axe-core finds wrong with the page as it stands; empty if nothing."""
        found = self.do(Axe().run)
        return str(found.generate_report()) if found.violations_count else ""

    def overflow(self) -> int:
        """Return by how many pixels the page is wider than the phone."""
        return int(self.do(lambda page: page.evaluate("document.documentElement.scrollWidth - innerWidth")))

    def close(self) -> None:
        self.do(lambda page: page.context.close())

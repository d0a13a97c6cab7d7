"""Makes the pictures of docs/admin.md: starts a service of its own with demo people, raises an alarm, lets some answer
and photographs the admin. Needs Chromium. `python docs/screenshots.py --all FOLDER` photographs every page there is,
light and dark and as wide as a phone.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from playwright.sync_api import Browser, Page, sync_playwright

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
ORGANIZATION = "Demo fire brigade"
START = 120  # seconds, at most
WIDE, PHONE = {"width": 1360, "height": 900}, {"width": 390, "height": 844}
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FIRST_NAMES = "Alma Bruno Clara David Ella Felix Greta Hugo Ida Jonas Klara Leo Mia Noah Olga Paul Rosa Sven Tilda Uwe"
LAST_NAMES = "Albers Becker Claussen Dietz Ebert Fink Graf Hahn Iversen Jung Krause Lang Maurer Noll Otto Pohl Roth"


class Service(NamedTuple):
    url: str
    environment: dict[str, str]
    password: str
    token: str

    def command(self, *arguments: str, text: str = "") -> str:
        """Return what a command of manage.py prints."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT, env=self.environment, input=text, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout

    def post(self, path: str, body: Any, **headers: str) -> Any:
        """Return what the API answers."""
        request = urllib.request.Request(  # noqa: S310 - this machine
            f"{self.url}/api/v1/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"} | headers
        )
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            return json.load(answer)


@contextmanager
def service(folder: str) -> Iterator[Service]:
    """A service of its own, with its demo people."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environment = os.environ | {"DATA_DIR": folder, "PORT": port, "TIME_ZONE": "Europe/Berlin"}
    log = Path(folder) / "log"
    with log.open("w") as output:
        running = subprocess.Popen(
            [sys.executable, "manage.py", "run_service"], cwd=ROOT, env=environment, stdout=output, stderr=output
        )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(lambda: urllib.request.urlopen(f"{url}/health").status == 200)  # noqa: S310
        printed = wait_for(lambda: re.search(r"admin / (\S+).*?(ga_org_\w+)", log.read_text(), re.DOTALL))
        yield Service(url, environment, printed[1], printed[2])
    finally:
        running.send_signal(signal.SIGINT)
        running.wait(60)


def wait_for(work: Any) -> Any:
    """Return what `work` returns as soon as it is something."""
    until = time.monotonic() + START
    while True:
        try:
            if found := work():
                return found
        except (OSError, urllib.error.URLError):
            pass
        if time.monotonic() > until:
            raise TimeoutError("the service did not come up")
        time.sleep(0.2)


def people() -> str:
    """Return a CSV file of 60 members."""
    rows = ["login,first_name,last_name,email,language,role,groups,app,pager,sms,call"]
    last_names = LAST_NAMES.split()
    for number in range(60):
        first, last = FIRST_NAMES.split()[number % 20], last_names[number * 7 % len(last_names)]
        login = f"{first}.{last}{number}".lower()
        phone = f"+4930231251{number:02}"
        cells = (login, first, last, f"{login}@demo.example", "de", "member", f"Engine {number % 3 + 1}")
        ways = (f"{first.lower()}-phone-{number}" if number % 4 else "", "", phone if number % 5 else "", phone)
        rows.append(",".join((*cells, *ways)))
    return "\n".join(rows)


def fill(running: Service, folder: str) -> None:
    """Have people, a template and an alarm to which some have answered."""
    path = Path(folder) / "people.csv"
    path.write_text(people())
    members = [line.split(",") for line in running.command("import_members", ORGANIZATION, str(path)).splitlines()]
    alarm = running.post(
        "alarm",
        {
            "organizationID": 1,
            "message": "Smoke in the museum, 2nd floor, persons missing. Approach from Harbour Street.",
            "eventName": "Fire 3",
            "alarmResources": {"allUsers": True},
        },
        **{"API-TOKEN": running.token},
    )
    for number, (_login, user) in enumerate(members[:26]):
        answer = {"alarmID": alarm["id"], "organizationID": 1, "userID": int(user), "response": number % 4 != 3}
        running.post("messaging/feedback", answer, **{"API-TOKEN": running.token})


def log_in(browser: Browser, running: Service, **options: Any) -> Page:
    page = browser.new_context(locale="en-GB", timezone_id="Europe/Berlin", **options).new_page()
    page.goto(f"{running.url}/admin/")
    page.fill("[name=username]", "admin")
    page.fill("[name=password]", running.password)
    page.click("[type=submit]")
    page.wait_for_url("**/admin/")
    return page


def every_page(page: Page, running: Service) -> list[str]:
    """Return the addresses of the admin's pages: those of the menu, and of each list its first row and its form."""
    page.goto(f"{running.url}/admin/")
    menu = page.eval_on_selector_all("#nav-sidebar-apps a", "links => links.map(link => link.href)")
    found = dict.fromkeys(menu)
    for address in menu:
        page.goto(address)
        links = page.eval_on_selector_all(
            "#result_list th a, #content a, #main header a", "links => links.map(link => link.href)"
        )
        of_rows = [link for link in links if re.search(r"/admin/\w+/\w+/(add/|[^/?]+/change/)$", link)]
        found |= dict.fromkeys(link for link in of_rows if link.endswith("/add/"))
        found |= dict.fromkeys([link for link in of_rows if link.endswith("/change/")][:1])
    return [*found, *sorted(extra(found))]


def extra(addresses: Any) -> set[str]:
    return {address.replace("/change/", "/history/") for address in addresses if address.endswith("/change/")}


def photograph_all(browser: Browser, running: Service, folder: Path) -> None:
    looks: dict[str, dict[str, Any]] = {
        "light": {"color_scheme": "light", "viewport": WIDE},
        "dark": {"color_scheme": "dark", "viewport": WIDE},
        "phone": {"color_scheme": "light", "viewport": PHONE, "device_scale_factor": 2},
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, look in looks.items():
        page = log_in(browser, running, **look)
        for address in every_page(page, running):
            page.goto(address)
            page.wait_for_load_state("load")
            file = re.sub(r"\W+", "-", address.removeprefix(running.url)).strip("-")
            page.screenshot(path=folder / f"{file}-{name}.png", full_page=name == "phone")
        page.context.close()


# The picture, its address, how it is taken.
PICTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "home": ("/admin/", {"color_scheme": "light", "viewport": WIDE}),
    "alarm": ("/admin/alarms/alarm/2/change/", {"color_scheme": "dark", "viewport": WIDE}),
    "escalation": ("/admin/escalations/escalationconfiguration/1/change/", {"color_scheme": "light", "viewport": WIDE}),
}


def photograph(browser: Browser, running: Service, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, (address, look) in PICTURES.items():
        page = log_in(browser, running, **look)
        page.goto(f"{running.url}{address}")
        page.wait_for_load_state("load")
        page.screenshot(path=folder / f"{name}.png")
        page.context.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, metavar="FOLDER", default=DOCS / "pictures", help="where to put them")
    parser.add_argument("--all", type=Path, metavar="FOLDER", help="photograph every page, into this folder")
    chosen = parser.parse_args()
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        parser.error("no Chromium on this machine")
    with tempfile.TemporaryDirectory() as folder, service(folder) as running, sync_playwright() as driver:
        fill(running, folder)
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        if chosen.all:
            photograph_all(browser, running, chosen.all)
        else:
            photograph(browser, running, chosen.to)
        browser.close()


if __name__ == "__main__":
    main()

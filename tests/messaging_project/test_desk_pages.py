"""Every page of the admin as a browser shows it: light, dark and on a phone."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page as BrowserPage
from playwright.sync_api import Response

from alarms.models import Alarm, AlarmTemplate, Hook
from escalations.models import EscalationConfiguration
from inbox.models import Message
from organizations.models import Absence, ApiToken, Group, User
from tests.browser import Phone, chromium
from tests.messaging_project.desk_walk import pages
from tests.messaging_project.desk_world import NOBODYS, World, world

# Of these, what every kind of row has looks alike; some are looked at for all.
ONCE = ("_history", "_delete", "_add")
LOOKED_AT = (Absence, Alarm, AlarmTemplate, ApiToken, EscalationConfiguration, Group, Hook, Message, User)
# Parts of pages, and what is no page.
NO_PAGES = ("search", "jsi18n", "autocomplete", "home-fragment", "password_change_done")
STILL = "*, *::before, *::after { transition: none !important; animation: none !important }"
SERIOUS = {"serious", "critical"}


def looked_at(made: World) -> list[str]:
    """Return the addresses of all pages that look different."""
    client, found = made.clients["own admin"], []
    for page in pages():
        alike = page.name.endswith(ONCE) and page.model not in LOOKED_AT
        if "(?P" in page.route or not page.route.startswith("admin/") or not page.name or alike:
            continue
        if page.name in NO_PAGES or page.model in NOBODYS:
            continue
        answer = client.get(page.path(made))
        if answer.status_code == 200 and b"</html>" in answer.content:
            found.append(page.path(made))
    return found


def found_by_axe(page: BrowserPage, **options: Any) -> list[str]:
    found = Axe().run(page, options={"resultTypes": ["violations"], **options}).response["violations"]
    return [
        f"{each['id']}: {each['help']}: {each['nodes'][0]['html'][:200]}" for each in found if each["impact"] in SERIOUS
    ]


def looked(page: BrowserPage, address: str) -> tuple[Response, dict[str, list[str]]]:
    """Open a page; return its answer, and what is wrong with how it looks in which way."""
    page.set_viewport_size({"width": 1280, "height": 900})
    response = page.goto(address)
    assert response is not None
    page.add_style_tag(content=STILL)
    page.evaluate("document.documentElement.classList.remove('dark')")
    wrong = {"light": found_by_axe(page)}
    page.evaluate("document.documentElement.classList.add('dark')")
    wrong["dark"] = found_by_axe(page, runOnly={"type": "rule", "values": ["color-contrast"]})
    page.set_viewport_size({"width": 390, "height": 844})
    wider = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    wrong["phone"] = [f"{wider} px too wide"] if wider > 0 else []
    return response, {way: found for way, found in wrong.items() if found}


def test_every_page_is_readable_by_everybody_and_loads_nothing_from_elsewhere(
    transactional_db: None, live_server: Any
) -> None:
    made = world()
    addresses = looked_at(made)
    assert len(addresses) > 40
    cookie = made.clients["own admin"].cookies["sessionid"]
    wrong: dict[str, Any] = {}
    with chromium() as browser:
        phone = Phone(browser, width=1280, height=900)
        session = {"name": cookie.key, "value": cookie.value, "url": live_server.url}
        phone.do(lambda page: page.context.add_cookies([session]))  # type: ignore[list-item]
        for address in ("/admin/login/", *addresses):
            response, seen = phone.do(lambda page, to=live_server.url + address: looked(page, to))  # type: ignore[misc]
            policy = response.headers.get("content-security-policy", "")
            scripts = next((part for part in policy.split(";") if "script-src" in part), "'unsafe-inline'")
            if "'unsafe-inline'" in scripts or "default-src 'none'" not in policy:
                seen["policy"] = [policy]
            if phone.complaints:
                seen["console"] = list(phone.complaints)
                phone.complaints.clear()
            wrong |= {address: seen} if seen else {}
        phone.close()
    assert not wrong, "\n".join(f"{address}: {seen}" for address, seen in wrong.items())
    assert phone.hosts == {urlsplit(live_server.url).netloc}

"""Choosing a file of members in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.test import Client
from playwright.sync_api import expect

from organizations.models import User
from tests.browser import Phone, chromium
from tests.factories import OrganizationFactory, member
from tests.organizations.members_upload import HEADER, UPLOAD


def test_a_file_that_is_too_large_is_not_uploaded_and_another_one_is(
    transactional_db: None, live_server: Any, tmp_path: Path
) -> None:
    client = Client()
    client.force_login(member(OrganizationFactory(), role="admin", is_staff=True))
    cookie = client.cookies["sessionid"]
    large, small = tmp_path / "large.csv", tmp_path / "small.csv"
    large.write_bytes(b" " * (10 * 1024 * 1024 + 1))
    small.write_text(f"{HEADER}\nanna,Anna,,,en,,,,,,\n")
    with chromium() as browser:
        phone = Phone(browser, locale="en-US")
        session = {"name": cookie.key, "value": cookie.value, "url": live_server.url}
        phone.do(lambda page: page.context.add_cookies([session]))  # type: ignore[list-item]
        phone.open(live_server.url + UPLOAD)
        show = phone.do(lambda page: page.get_by_role("button", name="Show what would change"))
        phone.do(lambda page: page.get_by_label("CSV file").set_input_files(large))
        phone.do(lambda page: expect(page.get_by_role("alert")).to_have_text("This file is larger than 10 MiB."))
        phone.do(lambda _page: expect(show).to_be_disabled())
        phone.do(lambda page: page.get_by_label("CSV file").set_input_files(small))
        phone.do(lambda page: expect(page.get_by_role("alert")).to_have_count(0))
        phone.do(lambda _page: show.click())
        phone.do(lambda page: page.get_by_role("button", name="Import", exact=True).click())
        phone.do(lambda page: expect(page.get_by_text("New people: 1.")).to_be_visible())
        assert phone.complaints == []
        phone.close()
    assert User.objects.filter(login="anna").exists()

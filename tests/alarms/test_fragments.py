"""Parts of pages that are asked for again and again."""

from __future__ import annotations

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from messaging_project.fragments import fragment

TEMPLATE = "alarms/desk/alarm_meant.html"


def asked(groups: list[str], **headers: str) -> HttpResponse:
    request = RequestFactory(headers=headers).get("/admin/part/")
    return fragment(request, TEMPLATE, {"meant": {"groups": groups}})


@pytest.mark.parametrize("seen", ["{etag}", "W/{etag}", '"another", {etag}', "*"])
def test_who_has_seen_the_very_same_gets_nothing_again(seen: str) -> None:
    first = asked(["Platoon 1"])
    assert first.status_code == 200
    assert "Platoon 1" in first.content.decode()
    again = asked(["Platoon 1"], if_none_match=seen.format(etag=first["ETag"]))
    assert (again.status_code, again.content) == (304, b"")
    assert again["ETag"] == first["ETag"]


def test_what_has_changed_is_answered_in_full_under_another_tag() -> None:
    first = asked(["Platoon 1"])
    changed = asked(["Platoon 2"], if_none_match=first["ETag"])
    assert changed.status_code == 200
    assert "Platoon 2" in changed.content.decode()
    assert changed["ETag"] != first["ETag"]


def test_a_tag_that_is_none_is_no_reason_for_an_error() -> None:
    for nonsense in ("", "nonsense", '"', "W/", '"a' * 1000):
        assert asked(["Platoon 1"], if_none_match=nonsense).status_code == 200, nonsense


def test_no_proxy_keeps_a_part_and_a_browser_asks_each_time() -> None:
    first = asked(["Platoon 1"])
    for answer in (first, asked(["Platoon 1"], if_none_match=first["ETag"])):
        assert answer["Cache-Control"] == "private, no-cache"

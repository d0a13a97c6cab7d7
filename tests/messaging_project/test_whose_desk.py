"""Whose desk it is: every page and every action of the admin, as everybody who has no business there."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from django.contrib import admin
from django.test import RequestFactory
from django.urls import reverse

from organizations.models import User
from tests.messaging_project.desk_walk import Forms, Page, pages
from tests.messaging_project.desk_world import NEEDLES, NOBODYS, STRANGERS, World, world

pytestmark = pytest.mark.django_db

# Pages that every model has; the one without a name leads to that of a row.
OF_MODELS = ("changelist", "add", "history", "delete", "change", "")
# Who they are open to, beside those who have a desk.
TO_ALL = {"login", "log_in_code", "logout", "jsi18n", "set_language"}
TO_STAFF = {"index", "home-fragment", "password_change", "password_change_done", "second_factor", "search", "catch-all"}
# Pages of our own, and those of the admin that belong to no model.
OTHERS = {
    *TO_ALL,
    *TO_STAFF,
    "app_list",
    "autocomplete",
    "auth_user_password_change",
    "alarms_alarm_again",
    "alarms_alarm_close",
    "alarms_alarm_recipients",
    "alarms_alarm_state",
    "alarms_alarm_timeline",
    "alarms_alarmtemplate_filling",
    "alarms_alarmtemplate_people",
    "alarms_hook_test",
    "device-test-admin",
    "escalations_escalationconfiguration_drawing",
    "organizations_apitoken_revoke",
    "organizations_apitoken_rotate",
    "organizations_group_members",
    "organizations_membership_export",
    "organizations_membership_import",
    "organizations_membership_import_preview",
    "organizations_personalaccesstoken_revoke",
    "organizations_personalaccesstoken_rotate",
    "organizations_user_activate_person",
    "organizations_user_deactivate_person",
    "organizations_user_erase_person",
    "organizations_user_person_data",
    "organizations_user_reset_second_factor",
}

OWN_ENDS = ("admin:organizations_device_changelist", "admin:organizations_membership_import")
# What the header of every page sends.
OF_EVERY_PAGE = (reverse("admin:logout"), reverse("set_language"))

Posts = list[tuple[Page, str, dict[str, list[str]]]]


@pytest.fixture
def made() -> World:
    return world()


def known(page: Page) -> str:
    """Return how a page is called above."""
    if page.route in ("", "admin"):
        return "index"
    if page.route.endswith("(?P<url>.*)$"):
        return "catch-all"
    if page.model is None or page.name in OTHERS:
        return page.name
    options = page.model._meta
    return page.name.removeprefix(f"{options.app_label}_{options.model_name}_")


def test_every_page_is_walked() -> None:
    unknown = [str(page) for page in pages() if known(page) not in {*OF_MODELS, *OTHERS}]
    assert unknown == [], "say here whose these pages are"
    assert {known(page) for page in pages()} >= OTHERS


def paths(made: World, page: Page) -> list[str]:
    """Return the addresses of a page, with the organization's row where one stands in it."""
    if known(page) == "app_list":
        return [f"/admin/{label}/" for label in sorted({model._meta.app_label for model in made.rows})]
    return ["/admin/nowhere"] if known(page) == "catch-all" else [page.path(made)]


def asked(made: World, caller: str, page: Page, path: str, data: dict[str, list[str]] | None = None) -> str:
    """Ask for a page, or send a form; return what is wrong with the answer, empty if nothing."""
    client = made.clients[caller]
    answer: Any = client.get(path) if data is None else client.post(path, data)
    wrong = told(answer)
    for _hop in range(3):
        where = answer.get("Location", "")
        if (
            wrong
            or answer.status_code != 302
            or where.split("?")[0] in (reverse("admin:login"), reverse("admin:index"))
        ):
            break
        answer = client.get(where)
        wrong = told(answer)
    if (
        not wrong
        and known(page) not in TO_ALL
        and page.route.startswith("admin/")
        and not refused(caller, page, answer)
    ):
        wrong = "lets in"
    return f"{caller}: {page} {'GET' if data is None else 'POST'} {wrong} ({answer.status_code})" if wrong else ""


def told(answer: Any) -> str:
    if answer.status_code >= 500:
        return "a mistake"
    text = b"".join(answer).decode() + answer.get("Location", "")
    return "tells" if any(needle in text for needle in NEEDLES) else ""


def refused(caller: str, page: Page, answer: Any) -> bool:
    """Whether it is the answer to somebody who has no business there; where others find their own, any is."""
    where = answer.get("Location", "")
    if caller in ("nobody", "inactive admin"):
        return bool(where.startswith(reverse("admin:login")))
    if known(page) in TO_STAFF or (caller == "foreign admin" and not page.is_of_a_row and page.model not in NOBODYS):
        return True
    if answer.status_code in {403, 404, 405} or where == reverse("admin:index"):
        return True
    # A page of our own may say so above what is the caller's.
    own = {reverse(name) for name in OWN_ENDS}
    if page.model is not None:
        own.add(reverse(f"admin:{page.model._meta.app_label}_{page.model._meta.model_name}_changelist"))
    return caller == "foreign admin" and known(page) in OTHERS and answer.request["PATH_INFO"] in own


def own_posts(made: World) -> Posts:
    """Return all that an admin of the organization could send from its pages."""
    posts: Posts = []
    by_path = {path: page for page in pages() for path in paths(made, page)}
    for page in pages():
        for path in paths(made, page):
            answer = made.clients["own admin" if page.model not in NOBODYS else "superuser"].get(path)
            assert answer.status_code < 500, path
            if answer.status_code == 200 and "html" in answer["Content-Type"]:
                sent = Forms(answer.content.decode()).posts(path)
                # A form of one page may go to another.
                posts += [(by_path[to.split("?")[0]], to, data) for to, data in sent if to not in OF_EVERY_PAGE]
    return posts


def test_nobody_sees_what_is_anothers(made: World) -> None:
    before = made.dump()
    wrong = [asked(made, caller, page, path) for caller in STRANGERS for page in pages() for path in paths(made, page)]
    assert [each for each in wrong if each] == []
    assert made.dump() == before


def test_nobody_changes_what_is_anothers(made: World) -> None:
    posts = own_posts(made)
    assert {known(page) for page, _where, _data in posts} >= {"changelist", "add", "delete", "change"}
    before = made.dump()
    for caller in STRANGERS:
        wrong = [asked(made, caller, page, where, data) for page, where, data in posts if known(page) not in TO_ALL]
        assert [each for each in wrong if each] == []
        assert made.dump() == before, caller


def test_no_action_reaches_what_is_anothers(made: World) -> None:
    before = made.dump()
    request = RequestFactory().get("/admin/")
    request.user = User.objects.get(is_superuser=True)
    for caller in STRANGERS:
        for model, row in made.rows.items():
            where = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
            for action in admin.site._registry[model].get_actions(request):
                for across in "0", "1":
                    data = {"action": action, "_selected_action": [row.pk], "select_across": across, "post": "yes"}
                    answer = made.clients[caller].post(where, data)
                    assert answer.status_code < 500
                    assert not any(needle in answer.content.decode() for needle in NEEDLES), (caller, where, action)
        assert made.dump() == before, caller


def test_its_own_admin_and_superusers_find_it(made: World) -> None:
    for caller, page in itertools.product(("own admin", "superuser"), pages()):
        is_list = known(page) == "changelist"
        if page.model is None or (page.model in NOBODYS if caller == "own admin" else not is_list):
            continue
        [path] = paths(made, page)
        answer: Any = made.clients[caller].get(path, follow=True)
        # What the service alone writes is not added, changed or deleted.
        usual = {200} if is_list or known(page) in {"change", "history", ""} else {200, 403, 404, 405}
        assert answer.status_code in usual, (caller, path)
        if is_list:
            assert made.rows[page.model] in answer.context["cl"].result_list

"""The admin of messages: what was sent can be found and read only, and a message can be sent to groups."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from django.db import models
from django.test import Client
from django.urls import reverse

from inbox.models import InboxMessage, Message
from inbox.sending import announce_alarm, tell_of_alarm
from organizations.models import Group, Organization, User
from tests.alarms.test_admin import queries, url
from tests.factories import (
    GroupFactory,
    InboxMessageFactory,
    MessageFactory,
    OrganizationFactory,
    UserFactory,
    member,
)

pytestmark = pytest.mark.django_db

ADD = reverse("admin:inbox_message_add")
MARKUP = "<script>alert(1)</script>"
ESCAPED = "&lt;script&gt;alert(1)&lt;/script&gt;"

InboxOf = Callable[[User], list[dict[str, Any]]]


def two_rows(number: int = 0) -> InboxMessage:
    """Write a message that somebody has sent, and return one that tells of an alarm."""
    sent_at = InboxMessageFactory().message.sent_at
    announce_alarm(alarm_id=number, organization=OrganizationFactory(), text="Fire", parameters=[], now=sent_at)
    tell_of_alarm(alarm_id=number, user_ids=[UserFactory().pk])
    return InboxMessage.objects.get(message__alarm_id=number)


MAKE: dict[type[models.Model], Callable[[int], Any]] = {
    Message: lambda number: two_rows(number).message,
    InboxMessage: two_rows,
}
each_model = pytest.mark.parametrize("model", MAKE, ids=lambda model: model.__name__)


def found(client: Client, search: str, model: type[models.Model] = Message) -> list[Any]:
    answer = client.get(url(model, "changelist"), {"q": search})
    assert answer.status_code == 200
    return list(answer.context["cl"].result_list)


def group_of(*users: User, organization: Organization | None = None, **fields: Any) -> Group:
    """Return a group, of the users' own organization if no other is named."""
    organization = organization or users[0].managing_organization
    group: Group = GroupFactory(organization=organization, **fields)
    group.memberships.set(organization.memberships.filter(user__in=users))
    return group


def post(client: Client, groups: Sequence[Group], text: str = "Drill at eight", minutes: object = "") -> Any:
    """Send the form."""
    return client.post(ADD, {"groups": [group.pk for group in groups], "text": text, "instant_minutes": minutes})


# What was sent


@each_model
def test_the_list_takes_as_many_queries_for_50_rows_as_for_one(admin_client: Client, model: type[models.Model]) -> None:
    MAKE[model](0)
    queries(admin_client, url(model, "changelist"))  # what is cached for good is cached now
    with_one = queries(admin_client, url(model, "changelist"))
    for number in range(1, 25):
        MAKE[model](number)
    # session, user, count, rows (with senders and organizations, or messages and users, joined)
    assert queries(admin_client, url(model, "changelist")) == with_one


@pytest.mark.parametrize(
    "search", ["eight", "DRILL", "Übung", "harbour", "dock 7", "anna", "Sommer", "drill anna", "übung harbour"]
)
def test_a_message_is_found_by_words_of_its_texts_its_parameters_and_its_sender(
    admin_client: Client, search: str
) -> None:
    InboxMessageFactory(message__text="Nothing")
    message = MessageFactory(
        sender=UserFactory(login="anna", first_name="Annette", last_name="Sommer"),
        text="Drill at eight: {0}",
        translations={"de": "Übung um acht: {0}"},
        parameters=["harbour", "dock 7"],
    )
    assert found(admin_client, search) == [message]
    assert found(admin_client, f"{search} elsewhere") == []


def test_an_inbox_is_found_by_its_owner(admin_client: Client) -> None:
    row, _other = InboxMessageFactory(user__login="ben", user__last_name="Brand"), InboxMessageFactory()
    assert found(admin_client, "ben", InboxMessage) == found(admin_client, "brand ben", InboxMessage) == [row]


def test_a_message_of_an_alarm_is_found_by_its_organization(admin_client: Client) -> None:
    message = two_rows().message
    assert found(admin_client, message.organization.name) == [message]
    assert message.organization.name in admin_client.get(url(Message, "change", message.pk)).content.decode()


@each_model
def test_any_search_is_answered(admin_client: Client, model: type[models.Model]) -> None:
    MAKE[model](0)
    for search in ("'", '"', "%", "{", "\\", "99999999999999999999", "Ärger 🚒", "\x00"):
        found(admin_client, search, model)


@each_model
def test_nothing_can_be_changed_or_deleted(admin_client: Client, model: type[models.Model]) -> None:
    row = MAKE[model](0)
    before = list(Message.objects.values()), list(InboxMessage.objects.values())
    values = {"text": "changed", "read_at_0": "2026-01-01", "read_at_1": "12:00", "type": "WARNING"}
    assert admin_client.post(url(model, "change", row.pk), values).status_code == 403
    assert admin_client.post(url(model, "delete", row.pk), {"post": "yes"}).status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
    admin_client.post(url(model, "changelist"), chosen)
    assert before == (list(Message.objects.values()), list(InboxMessage.objects.values()))
    for page in (url(model, "changelist"), url(model, "change", row.pk)):
        shown = admin_client.get(page).content.decode()
        assert "delete_selected" not in shown
        assert 'name="_save"' not in shown


def test_nothing_is_put_into_an_inbox_by_hand(admin_client: Client) -> None:
    assert admin_client.get(url(InboxMessage, "add")).status_code == 403
    row = {"message": MessageFactory().pk, "user": UserFactory().pk}
    assert admin_client.post(url(InboxMessage, "add"), row).status_code == 403
    assert not InboxMessage.objects.exists()


def test_the_page_of_a_message_links_to_its_recipients_instead_of_loading_them(admin_client: Client) -> None:
    row, other = InboxMessageFactory(), InboxMessageFactory()
    page = url(Message, "change", row.message_id)
    queries(admin_client, page)
    with_one = queries(admin_client, page)
    InboxMessageFactory.create_batch(49, message=row.message)
    assert queries(admin_client, page) == with_one
    address = f"{url(InboxMessage, 'changelist')}?message__id__exact={row.message_id}"
    shown = admin_client.get(page).content.decode()
    assert f'href="{address}">50<' in shown
    rows = admin_client.get(address).context["cl"].result_list
    assert (len(rows), other in rows) == (50, False)


def test_a_message_that_nobody_has_is_shown_too(admin_client: Client) -> None:
    message = MessageFactory()
    assert found(admin_client, "") == [message]
    assert message.text in admin_client.get(url(Message, "change", message.pk)).content.decode()


def test_text_is_shown_escaped_wherever_it_stands(admin_client: Client, brigade: Organization) -> None:
    sender = member(brigade, first_name=MARKUP)
    group_of(sender, name=MARKUP)
    message = MessageFactory(sender=sender, text=MARKUP, translations={"de": MARKUP}, parameters=[MARKUP])
    row = InboxMessageFactory(message=message, user=sender)
    pages = [url(Message, "changelist"), url(Message, "change", message.pk), ADD]
    pages += [url(InboxMessage, "changelist"), url(InboxMessage, "change", row.pk)]
    answers = {page: admin_client.get(page) for page in pages}
    answers["the form again"] = post(admin_client, [], text=MARKUP)
    answers["it is sent"] = admin_client.post(ADD, {"groups": Group.objects.get().pk, "text": MARKUP}, follow=True)
    for page, answer in answers.items():
        shown = answer.content.decode()
        assert (MARKUP in shown, ESCAPED in shown) == (False, True), page


# Sending to groups


def test_a_message_to_several_groups_reaches_each_recipient_once(
    admin_client: Client, admin_user: User, inbox_of: InboxOf, jobs: Callable[[], list[dict[str, Any]]]
) -> None:
    harbour, town = OrganizationFactory.create_batch(2)
    both, one, asleep = member(harbour), member(harbour, inbox_to_email=True), member(harbour, is_active=False)
    elsewhere, outside = member(town), member(town)
    groups = [group_of(both, one, asleep), group_of(both), group_of(elsewhere)]
    answer = post(admin_client, groups, text="Drill\r\nat {0}", minutes=500)
    assert (answer.status_code, answer["Location"]) == (302, url(Message, "changelist"))
    for user in (both, one, elsewhere):
        (message,) = inbox_of(user)
        assert (message["message"], message["type"], message["isInstantMessage"]) == ("Drill\nat {0}", "INFO", True)
        assert message["sender"]["id"] == admin_user.pk
    assert (inbox_of(outside), InboxMessage.objects.count(), Message.objects.count()) == ([], 3, 1)
    assert [job["task_name"] for job in jobs()] == ["inbox.mail_copies"]
    assert "Drill" in admin_client.get(answer["Location"]).content.decode()


def test_a_text_may_have_10_000_characters_line_ends_among_them(admin_client: Client, ben: User) -> None:
    text = "line\n" * 2000
    # As a browser sends it.
    assert post(admin_client, [group_of(ben)], text=text.replace("\n", "\r\n")).status_code == 302
    assert Message.objects.get().text == text


WRONG: dict[str, list[Any]] = {
    "groups": [[], ["x"], [2**40], [2**70]],
    "text": ["", "x" * 10_001, "a\x00b"],
    "instant_minutes": ["-1", "soon", "1.5", "9" * 40],
}
CASES = [pytest.param(field, value, id=f"{field} {value}"[:30]) for field in WRONG for value in WRONG[field]]


@pytest.mark.parametrize(("field", "value"), CASES)
def test_wrong_input_shows_the_form_again_with_the_reason_and_sends_nothing(
    admin_client: Client, ben: User, field: str, value: Any
) -> None:
    answer = admin_client.post(ADD, {"groups": [group_of(ben).pk], "text": "Drill", field: value})
    assert answer.status_code == 200
    errors = answer.context["adminform"].form.errors
    assert list(errors) == [field]
    assert str(errors[field]) in answer.content.decode()
    assert not Message.objects.exists()


def form_key(client: Client) -> str:
    [key] = re.findall(r'name="form_key" value="([^"]+)"', client.get(ADD).content.decode())
    return key


def test_the_form_sent_again_sends_no_second_message(admin_client: Client, ben: User, inbox_of: InboxOf) -> None:
    data = {"groups": group_of(ben).pk, "text": "Drill", "form_key": form_key(admin_client)}
    wrong = admin_client.post(ADD, data | {"text": ""}).content.decode()
    assert f'name="form_key" value="{data["form_key"]}"' in wrong
    admin_client.post(ADD, data)
    again = admin_client.post(ADD, data, follow=True)
    assert again.redirect_chain == [(url(Message, "change", Message.objects.get().pk), 302)]
    assert "This message was sent already, and was not sent again." in again.content.decode()
    assert len(inbox_of(ben)) == 1
    admin_client.post(ADD, data | {"form_key": form_key(admin_client)})
    assert len(inbox_of(ben)) == 2


def test_groups_in_which_nobody_active_is_are_refused(admin_client: Client, brigade: Organization) -> None:
    asleep = member(brigade, is_active=False)
    answer = post(admin_client, [group_of(asleep), group_of(organization=brigade)])
    assert list(answer.context["adminform"].form.errors) == ["groups"]
    assert not Message.objects.exists()


def test_the_form_takes_as_many_queries_for_50_groups_as_for_one(admin_client: Client) -> None:
    GroupFactory()
    queries(admin_client, ADD)
    with_one = queries(admin_client, ADD)
    GroupFactory.create_batch(49)
    # session, user, the groups with their organizations
    assert queries(admin_client, ADD) == with_one


def test_whoever_is_not_logged_in_as_staff_sends_nothing(client: Client, ben: User) -> None:
    for _ in range(2):
        assert post(client, [group_of(ben)])["Location"].startswith(reverse("admin:login"))
        client.force_login(ben)
    assert not Message.objects.exists()

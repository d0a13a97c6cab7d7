"""Who sees which messages in the admin, and to whose groups they send."""

from __future__ import annotations

import pytest
from django.test import Client

from inbox.models import InboxMessage, Message
from inbox.sending import announce_alarm, tell_of_alarm
from organizations.models import Organization, User
from tests.alarms.test_admin import url
from tests.factories import InboxMessageFactory, MembershipFactory, OrganizationFactory, member
from tests.inbox.test_admin import ADD, InboxOf, group_of, post

pytestmark = pytest.mark.django_db


def staff(organization: Organization, role: str = "admin") -> tuple[User, Client]:
    """Return a member who may log in to the admin, and their browser."""
    user = member(organization, role=role, is_staff=True)
    client = Client()
    client.force_login(user)
    return user, client


def test_admins_see_and_use_the_groups_of_the_organizations_that_they_administer_only(
    brigade: Organization, ben: User, inbox_of: InboxOf
) -> None:
    user, client = staff(brigade)
    closed = MembershipFactory(user=user, organization__is_active=False, role="admin").organization
    visited = MembershipFactory(user=user).organization
    stranger = member(OrganizationFactory())
    own = group_of(ben, name="Own platoon")
    others = [
        group_of(stranger, name="Foreign platoon"),
        group_of(user, organization=closed, name="Closed platoon"),
        group_of(user, organization=visited, name="Visited platoon"),
    ]
    shown = client.get(ADD).content.decode()
    assert [group.name in shown for group in (own, *others)] == [True, False, False, False]
    for forged in (*([each] for each in others), [own, others[0]]):
        answer = post(client, forged)
        assert list(answer.context["adminform"].form.errors) == ["groups"]
        assert "platoon" not in str(answer.context["adminform"].form.errors)
    assert not Message.objects.exists()
    answer = client.post(ADD, {"groups": [own.pk], "text": "Drill"}, follow=True)
    assert answer.status_code == 200
    assert "Sent to 1 person." in answer.content.decode()
    assert [message["sender"]["id"] for message in inbox_of(ben)] == [user.pk]
    assert inbox_of(stranger) == []


def test_members_who_administer_nothing_find_no_page(brigade: Organization, ben: User) -> None:
    _user, client = staff(brigade, "member")
    for page in (ADD, url(Message, "changelist"), url(InboxMessage, "changelist")):
        assert client.get(page).status_code == 403
    assert post(client, [group_of(ben)]).status_code == 403
    assert not Message.objects.exists()


def test_admins_see_what_came_from_their_organization_and_nothing_else(brigade: Organization, ben: User) -> None:
    user, client = staff(brigade)
    elsewhere = OrganizationFactory()
    visitor = member(brigade)
    guest = member(elsewhere)
    for one, organization in ((visitor, elsewhere), (guest, brigade)):
        MembershipFactory(user=one, organization=organization)
    stranger = member(elsewhere)

    def sent(by: User, to: User) -> Message:
        message: Message = InboxMessageFactory(message__sender=by, user=to).message
        return message

    seen = [sent(ben, user), sent(ben, guest), sent(user, ben)]
    # Who is a member elsewhere too may have sent it there; and what a stranger gets is no business of the brigade's.
    sent(visitor, guest), sent(visitor, ben), sent(guest, ben), sent(stranger, guest), sent(stranger, stranger)
    now = seen[0].sent_at
    for number, organization in enumerate((brigade, elsewhere)):
        announce_alarm(alarm_id=number, organization=organization, text="Fire", parameters=[], now=now)
        tell_of_alarm(alarm_id=number, user_ids=[guest.pk, ben.pk])
    seen.append(Message.objects.get(alarm_id=0))
    assert set(client.get(url(Message, "changelist")).context["cl"].result_list) == set(seen)
    rows = set(client.get(url(InboxMessage, "changelist")).context["cl"].result_list)
    assert rows == set(InboxMessage.objects.filter(message__in=seen))


def test_admins_see_what_they_have_sent_even_if_another_organization_manages_them(
    brigade: Organization, ben: User
) -> None:
    user = member(OrganizationFactory(), is_staff=True)
    MembershipFactory(user=user, organization=brigade, role="admin")
    client = Client()
    client.force_login(user)
    assert client.post(ADD, {"groups": [group_of(ben).pk], "text": "Drill"}).status_code == 302
    [message] = client.get(url(Message, "changelist")).context["cl"].result_list
    assert message.text == "Drill"
    assert client.get(url(Message, "change", message.pk)).status_code == 200

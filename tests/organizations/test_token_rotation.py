"""Rotating tokens, in the admin and by a command."""

from __future__ import annotations

import io
import re
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from organizations.models import ApiToken, PersonalAccessToken
from organizations.rotating import CannotRotate, rotate
from tests.organizations.test_desk_tokens import KINDS, issue, status, text_in, url

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def rotated(client: Client, token: Any, **choices: str) -> Any:
    return client.post(url(type(token), "rotate", token.pk), {"lifetime": "never", "old": "later", **choices})


def command(*arguments: str) -> str:
    out = io.StringIO()
    call_command("rotate_token", *arguments, stdout=out)
    return out.getvalue()


@KINDS
def test_both_tokens_work_until_the_overlap_is_over(admin_client: Client, model: Any, settings: Any) -> None:
    settings.TOKEN_OVERLAP_HOURS = 6
    old, old_text = issue(model)
    shown = admin_client.get(url(model, "rotate", old.pk)).content.decode()
    assert "goes on for 6 h" in shown
    assert model.objects.count() == 1
    before = timezone.now()
    answer = rotated(admin_client, old)
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    new_text = text_in(answer.content.decode())
    new = model.objects.exclude(pk=old.pk).get()
    old.refresh_from_db()
    assert (new.name, new.owner, new.expires_at, new.replaces) == (old.name, old.owner, None, old)
    assert before <= old.expires_at - timedelta(hours=6) <= timezone.now()
    assert [status(model, text) for text in (old_text, new_text)] == [200, 200]
    model.objects.filter(pk=old.pk).update(expires_at=timezone.now())
    assert [status(model, text) for text in (old_text, new_text)] == [401, 200]
    for token, other in ((old, new), (new, old)):
        assert other.prefix in admin_client.get(url(model, "change", token.pk)).content.decode()
        assert new_text not in admin_client.get(url(model, "change", token.pk)).content.decode()


@pytest.mark.parametrize(("hours", "choice"), [(0, "now"), (24, "now")])
def test_the_old_token_can_end_at_once(admin_client: Client, settings: Any, hours: int, choice: str) -> None:
    settings.TOKEN_OVERLAP_HOURS = hours
    old, old_text = issue(ApiToken)
    new_text = text_in(rotated(admin_client, old, old=choice).content.decode())
    assert [status(ApiToken, text) for text in (old_text, new_text)] == [401, 200]


def test_without_an_overlap_none_can_be_chosen(admin_client: Client, settings: Any) -> None:
    settings.TOKEN_OVERLAP_HOURS = 0
    old, _text = issue(ApiToken)
    assert set(rotated(admin_client, old, old="later").context["form"].errors) == {"old"}
    assert ApiToken.objects.count() == 1


def test_the_old_token_never_lives_longer_than_it_would_have(admin_client: Client) -> None:
    end = timezone.now() + timedelta(hours=1)
    old, _text = issue(ApiToken, expires_at=end)
    rotated(admin_client, old)
    old.refresh_from_db()
    assert old.expires_at == end


@pytest.mark.parametrize(
    ("choices", "days"), [({"lifetime": "same"}, 40), ({"lifetime": "30"}, 30), ({"lifetime": "never"}, None)]
)
def test_the_new_token_lives_as_long_as_the_old_one_or_as_is_chosen(
    admin_client: Client, choices: dict[str, str], days: int | None
) -> None:
    now = timezone.now()
    old, _text = issue(ApiToken, created_at=now - 39 * DAY, expires_at=now + DAY)
    rotated(admin_client, old, **choices)
    new = ApiToken.objects.get(replaces=old)
    assert (new.expires_at is None) is (days is None)
    if days is not None:
        assert new.expires_at is not None
        assert now + days * DAY <= new.expires_at <= timezone.now() + days * DAY


def test_what_cannot_be_chosen_is_told_at_its_field(admin_client: Client) -> None:
    old, _text = issue(ApiToken)
    for choices, field in (
        ({"lifetime": "same"}, "lifetime"),  # the old one never ends
        ({"lifetime": "date"}, "until"),
        ({"old": "never"}, "old"),
    ):
        assert set(rotated(admin_client, old, **choices).context["form"].errors) == {field}
    assert ApiToken.objects.count() == 1


@KINDS
@pytest.mark.parametrize("state", ["replaced", "revoked", "expired"])
def test_a_token_that_is_out_of_use_is_not_rotated(admin_client: Client, model: Any, state: str) -> None:
    old, _text = issue(model)
    if state == "replaced":
        rotated(admin_client, old)
    else:
        model.objects.filter(pk=old.pk).update(**{f"{state}_at".replace("expired", "expires"): timezone.now()})
    count = model.objects.count()
    for answer in (rotated(admin_client, old), admin_client.get(url(model, "rotate", old.pk))):
        assert (answer.status_code, answer["Location"]) == (302, url(model, "change", old.pk))
    assert model.objects.count() == count
    assert f">{url(model, 'rotate', old.pk)}<" not in admin_client.get(url(model, "change", old.pk)).content.decode()


@KINDS
def test_the_command_prints_the_new_token_alone_and_the_old_one_goes_on(model: Any) -> None:
    old, old_text = issue(model)
    printed = command(old.prefix)
    assert re.fullmatch(rf"{model.KIND}_[0-9a-f]{{64}}\n", printed)
    assert [status(model, text) for text in (old_text, printed.strip())] == [200, 200]
    new = model.objects.get(replaces=old)
    assert (new.name, new.owner, new.expires_at) == (old.name, old.owner, None)


def test_the_command_ends_the_old_token_at_once_where_it_is_told_to() -> None:
    old, old_text = issue(PersonalAccessToken)
    new_text = command(old.prefix, "--at-once", "--expires-in-days", "2").strip()
    assert [status(PersonalAccessToken, text) for text in (old_text, new_text)] == [401, 200]
    end = PersonalAccessToken.objects.get(replaces=old).expires_at
    assert end is not None
    assert DAY < end - timezone.now() <= 2 * DAY


@pytest.mark.parametrize("state", ["replaced", "revoked", "expired"])
def test_the_command_refuses_what_is_out_of_use_in_one_line(state: str) -> None:
    old, _text = issue(ApiToken)
    if state == "replaced":
        command(old.prefix)
    else:
        ApiToken.objects.update(**{f"{state}_at".replace("expired", "expires"): timezone.now()})
    count = ApiToken.objects.count()
    with pytest.raises(CommandError, match=r"\A[^\n]+ is expired, revoked or replaced already[^\n]*\Z"):
        command(old.prefix)
    assert ApiToken.objects.count() == count


def test_of_two_rotations_by_what_was_read_before_the_second_is_refused() -> None:
    now = timezone.now()
    old, _text = issue(ApiToken)
    stale = ApiToken.objects.get(pk=old.pk)
    rotate(token=old, now=now, expires_at=None)
    with pytest.raises(CannotRotate):
        rotate(token=stale, now=now, expires_at=None)
    ApiToken.objects.all().delete()
    with pytest.raises(CannotRotate):
        rotate(token=stale, now=now, expires_at=None)

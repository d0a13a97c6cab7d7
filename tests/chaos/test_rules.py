"""The check of a chaos run can fail: each kind of violation is found in evidence that is made up, and only that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.chaos import made_up
from tests.chaos.evidence import Asked, Evidence, Listed
from tests.chaos.made_up import alarm, answer, closing, note, recipient, request
from tests.chaos.rules import RULES, check

Change = Callable[[Evidence], object]
PHONE, CELL, OLD, MAIL = range(4)
"""Rows and, but for the cell, requests."""
WHOM = "alarm-0", "anna"


def changed(evidence: Evidence, place: int, **others: object) -> None:
    """Change a row, and what the API tells of it."""
    before = evidence.rows[place]
    after = evidence.rows[place] = replace(before, **others)
    told = evidence.told[before.mark, before.login]
    told[before.way, before.device, before.status] -= before.count
    told[after.way, after.device, after.status] += after.count
    evidence.told[before.mark, before.login] = +told


def came(evidence: Evidence, **others: object) -> None:
    evidence.requests.append(request(**others))


def vanished(evidence: Evidence) -> None:
    """There is nothing of the alarm but what the client was told."""
    for found in (evidence.listed, evidence.rows, evidence.recipients, evidence.history, evidence.answers):
        found.clear()
    evidence.told.clear()
    evidence.requests = [each for each in evidence.requests if each.mark == "note-0"]


def another_alarm(evidence: Evidence) -> None:
    evidence.listed.append(replace(evidence.listed[0], id=8))


def unanswered(evidence: Evidence) -> None:
    """Nobody has answered, and nobody said so."""
    evidence.answers, evidence.history = [], []
    evidence.recipients[0] = recipient(response=None)
    evidence.listed[0] = Listed(7, "alarm-0", {"anna": None, "bert": None})


def silent(evidence: Evidence) -> None:
    """Nothing was tried for Anna until her time was over."""
    unanswered(evidence)
    evidence.requests.pop(0)
    evidence.recipients[0] = recipient(response=None, deadline=128.0)
    for place in (PHONE, CELL):
        changed(evidence, place, status=5, attempts=0, reason="timed out", changed_at=128.5)


def silent_during_an_outage(evidence: Evidence) -> None:
    silent(evidence)
    evidence.outages.append((103.0, 127.0))


def cancelled_in_time(evidence: Evidence) -> None:
    unanswered(evidence)


def failed_in_time(evidence: Evidence) -> None:
    unanswered(evidence)
    changed(evidence, CELL, status=4, attempts=1, reason="HTTP 500", changed_at=107.6)


def timed_out_too_early(evidence: Evidence) -> None:
    """The record of the database itself is wrong."""
    unanswered(evidence)
    evidence.recipients[0] = recipient(response=None, deadline=104.0)


def told_otherwise(evidence: Evidence) -> None:
    evidence.told[WHOM]["app", "Phone", 2] -= 1
    evidence.told[WHOM]["app", "Phone", 3] += 1


def two_answers(evidence: Evidence) -> None:
    """The second, acknowledged answer is not the one in force."""
    evidence.answers.append(answer(106.0, response=False))
    evidence.history.append(("alarm-0", "anna", False))


def an_answer_of_nobodys(evidence: Evidence) -> None:
    evidence.recipients[1] = recipient(**made_up.BERTS | {"response": True})
    evidence.listed[0] = Listed(7, "alarm-0", {"anna": True, "bert": True})


def in_nobodys_inbox_but_one(evidence: Evidence) -> None:
    """Unclear, and there for one of two."""
    evidence.notes = [note(recipients=frozenset({"anna", "bert"}), asked=[Asked(110.0, 111.0, None)])]


BROKEN: dict[str, tuple[str, Change]] = {
    "a request is refused": ("no request is refused", lambda e: e.odd.append("POST /alarm alarm-1: 400")),
    "an acknowledged alarm is gone": ("an acknowledged alarm is there, once", vanished),
    "a repeated request raises twice": ("an acknowledged alarm is there, once", another_alarm),
    "two ids are told for one key": (
        "an acknowledged alarm is there, once",
        lambda e: e.alarms[0].asked.append(Asked(105.0, 105.1, 200, alarm_id=8)),
    ),
    "an alarm was raised by nobody": (
        "an acknowledged alarm is there, once",
        lambda e: e.listed.append(Listed(9, "alarm-9", {})),
    ),
    "a recipient is forgotten": (
        "everybody whom an alarm names is planned",
        lambda e: e.alarms.__setitem__(0, alarm(recipients=("anna", "bert", "carl"))),
    ),
    "a device is forgotten": (
        "everybody whom an alarm names is planned",
        lambda e: (e.rows.pop(CELL), e.told[WHOM].pop(("sms", "Cell", 5))),
    ),
    "a device is planned twice": (
        "everybody whom an alarm names is planned",
        lambda e: (e.rows.append(e.rows[CELL]), e.told[WHOM].update([("sms", "Cell", 5)])),
    ),
    "a row is left sending": ("nothing is left behind", lambda e: changed(e, CELL, status=1)),
    "a row is left scheduled": ("nothing is left behind", lambda e: changed(e, CELL, status=0)),
    "a job is left": ("nothing is left behind", lambda e: e.left.append("job 1")),
    "a recipient is not planned": (
        "nothing is left behind",
        lambda e: e.recipients.__setitem__(0, recipient(is_planned=False)),
    ),
    "an escalation never ends": (
        "nothing is left behind",
        lambda e: e.recipients.__setitem__(0, recipient(is_escalating=True)),
    ),
    "sent, but no sink has seen it": ("what is called sent was taken", lambda e: e.requests.pop(0)),
    "sent, but every sink has failed it": (
        "what is called sent was taken",
        lambda e: e.requests.__setitem__(0, request(answered="500")),
    ),
    "cancelled, though nobody has answered": ("what was not sent has a reason", cancelled_in_time),
    "cancelled before the answer": ("what was not sent has a reason", lambda e: changed(e, CELL, changed_at=103.0)),
    "cancelled without a reason": ("what was not sent has a reason", lambda e: changed(e, CELL, reason="")),
    "failed, though there was time": ("what was not sent has a reason", failed_in_time),
    "failed without a reason": ("what was not sent has a reason", lambda e: changed(e, OLD, reason="")),
    "over before it can be": ("what was not sent has a reason", timed_out_too_early),
    "nobody tried": ("nobody is left in silence", silent),
    "a repeat has another key": ("one message has one key", lambda e: came(e, key="k9", attempt=2)),
    "two devices share a key": ("one message has one key", lambda e: came(e, device="Cell", way="sms", key="k1")),
    "a stranger is alarmed": ("nothing comes to strangers", lambda e: came(e, login="anna", device="Other", key="k9")),
    "a request names another user": ("nothing comes to strangers", lambda e: came(e, user_id=2)),
    "a request names another alarm": ("nothing comes to strangers", lambda e: came(e, alarm_id=8)),
    "something comes after the answer": ("nothing comes after the end", lambda e: came(e, at=105.2)),
    "something comes after the closing": (
        "nothing comes after the end",
        lambda e: (e.closings.append(closing(108.0)), came(e, **made_up.MAIL | {"at": 109.5})),
    ),
    "something comes after the time out": (
        "nothing comes after the end",
        lambda e: came(e, **made_up.MAIL | {"at": 124.0}),
    ),
    "an acknowledged answer is lost": ("an acknowledged answer is kept", lambda e: e.history.clear()),
    "the last answer is not in force": ("an acknowledged answer is kept", two_answers),
    "the API tells another answer": (
        "an acknowledged answer is kept",
        lambda e: e.listed.__setitem__(0, Listed(7, "alarm-0", {"anna": False, "bert": None})),
    ),
    "somebody has answered who has not": ("an acknowledged answer is kept", an_answer_of_nobodys),
    "an answer is refused in time": (
        "an answer is refused only when it is too late",
        lambda e: e.answers.append(answer(110.0, 409, login="bert")),
    ),
    "the API tells another status": ("the API tells what is", told_otherwise),
    "an acknowledged message is lost": (
        "an acknowledged message is in each inbox, once",
        lambda e: e.inboxes["bert"].clear(),
    ),
    "an acknowledged message is there twice": (
        "an acknowledged message is in each inbox, once",
        lambda e: e.inboxes["bert"].update(["note-0"]),
    ),
    "a message is in another's inbox": (
        "an acknowledged message is in each inbox, once",
        lambda e: e.inboxes["anna"].update(["note-0"]),
    ),
    "a message is in some inboxes": ("an acknowledged message is in each inbox, once", in_nobodys_inbox_but_one),
    "a copy is missing": ("copies of inboxes come", lambda e: e.requests.pop()),
}


def rules_broken(evidence: Evidence) -> set[str]:
    return {violation.rule for violation in check(evidence)}


def test_where_nothing_is_wrong_nothing_is_found() -> None:
    assert check(made_up.evidence()) == []


@pytest.mark.parametrize(("rule", "change"), BROKEN.values(), ids=BROKEN.keys())
def test_what_is_wrong_is_found(rule: str, change: Change) -> None:
    evidence = made_up.evidence()
    change(evidence)
    assert rules_broken(evidence) == {rule}


def test_every_rule_was_seen_broken() -> None:
    assert {rule for rule, _change in BROKEN.values()} == set(RULES)


ALLOWED: dict[str, Change] = {
    "a second is not over": lambda e: came(e, at=105.0),
    "its sender was stopped since the answer": lambda e: (came(e, at=112.0), e.pauses.update({"0": [(102.0, 111.5)]})),
    "the run itself did not get on": lambda e: (came(e, at=107.0), e.stalls.append((104.2, 106.5))),
    "a repeat has the same key": lambda e: came(e, at=103.0, attempt=2),
    "an answer that may have been kept cancels": lambda e: (
        unanswered(e),
        e.answers.append(answer(104.0, None)),
    ),
    "an unclear message is nowhere": lambda e: e.notes.append(
        note(mark="note-1", asked=[Asked(112.0, 113.0, None)]),
    ),
    "a later answer is not known": lambda e: e.answers.append(answer(106.0, None, response=False)),
    "an answer after the time is refused": lambda e: e.answers.append(answer(123.0, 409, login="bert")),
    "an answer after the closing is refused": lambda e: (
        e.closings.append(closing(108.0)),
        e.answers.append(answer(110.0, 409, login="bert")),
    ),
    "nobody could try": silent_during_an_outage,
    "it was tried until the time was over": lambda e: (
        unanswered(e),
        changed(e, CELL, status=4, attempts=2, reason="HTTP 500", changed_at=113.0),
    ),
}


@pytest.mark.parametrize("change", ALLOWED.values(), ids=ALLOWED.keys())
def test_what_may_be_is_no_violation(change: Change) -> None:
    evidence = made_up.evidence()
    change(evidence)
    assert check(evidence) == []


@pytest.mark.parametrize(
    ("slot", "pause"),
    [("1", (102.0, 111.5)), ("0", (102.0, 110.0)), ("0", (90.0, 103.0))],
    ids=["another's", "over", "before"],
)
def test_a_pause_excuses_only_what_it_has_held_up(slot: str, pause: tuple[float, float]) -> None:
    evidence = made_up.evidence()
    evidence.pauses[slot] = [pause]
    came(evidence, at=112.0)
    assert rules_broken(evidence) == {"nothing comes after the end"}


def test_a_closed_alarm_whose_time_had_not_come_has_no_recipients() -> None:
    evidence = made_up.evidence()
    evidence.alarms.append(alarm(mark="alarm-1", is_scheduled=True))
    evidence.listed.append(Listed(9, "alarm-1", {}))
    evidence.alarms[1].asked[1] = Asked(102.4, 102.5, 201, alarm_id=9)
    assert rules_broken(evidence) == {"everybody whom an alarm names is planned"}
    evidence.closings.append(replace(closing(103.0), mark="alarm-1"))
    assert check(evidence) == []


def test_rows_that_are_alike_count_as_many() -> None:
    evidence = made_up.evidence()
    changed(evidence, CELL, count=2)
    assert rules_broken(evidence) == {"everybody whom an alarm names is planned"}
    assert evidence.told[WHOM] == Counter({("app", "Phone", 2): 1, ("sms", "Cell", 5): 2})

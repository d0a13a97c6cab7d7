"""The check: what the API has acknowledged, against what the sinks have received.

It shares nothing with the service but the contract. Each rule yields what breaks it, with what it takes to follow
it up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tests.chaos import rules_of_answers, rules_of_messages
from tests.chaos.evidence import Alarm, Evidence
from tests.chaos.facts import Facts


class Violation(NamedTuple):
    rule: str
    facts: str


Rule = Callable[[Facts], Iterator[str]]


def check(evidence: Evidence) -> list[Violation]:
    facts = Facts(evidence)
    return [Violation(name, found) for name, rule in RULES.items() for found in rule(facts)]


def refused(facts: Facts) -> Iterator[str]:
    yield from facts.evidence.odd


def raised_once(facts: Facts) -> Iterator[str]:
    for alarm in facts.evidence.alarms:
        there = [listed.id for listed in facts.listed.get(alarm.mark, ())]
        told = {asked.alarm_id for asked in alarm.asked if asked.is_acknowledged}
        if len(there) > 1 or (told and told != set(there)) or (there and not alarm.may_have_happened):
            yield f"{alarm.mark}: clients were told {sorted(told)}, there are {sorted(there)}"
    for mark in facts.listed.keys() - facts.alarms.keys():
        yield f"{mark}: nobody has raised it"


def everybody_is_planned(facts: Facts) -> Iterator[str]:
    """Every recipient of an alarm is there with a message for each device of each turn."""
    for alarm in facts.evidence.alarms:
        if alarm.mark in facts.listed:
            yield from _everybody_of(facts, alarm)


def _everybody_of(facts: Facts, alarm: Alarm) -> Iterator[str]:
    there = {login for mark, login in facts.recipients if mark == alarm.mark}
    # One that was closed before its time came was never raised.
    is_cancelled = (
        alarm.is_scheduled and not there and any(facts.ends.get((alarm.mark, each)) for each in alarm.recipients)
    )
    if there != set(alarm.recipients) and not is_cancelled:
        yield f"{alarm.mark}: recipients {sorted(there)}, not {sorted(alarm.recipients)}"
    for login in there & set(alarm.recipients):
        rows: Counter[tuple[str, str]] = Counter()
        for row in facts.rows.get((alarm.mark, login), ()):
            rows[row.way, row.device] += row.count
        if rows != facts.planned(login):
            yield f"{alarm.mark} {login}: messages {dict(rows)}, not {dict(facts.planned(login))}"


def nothing_is_left(facts: Facts) -> Iterator[str]:
    for row in facts.evidence.rows:
        if row.status in (0, 1):
            yield f"{row}: left {('scheduled', 'sending')[row.status]}"
    for recipient in facts.evidence.recipients:
        if not recipient.is_planned:
            yield f"{recipient}: not planned"
        elif recipient.is_escalating:
            yield f"{recipient}: escalating for ever"
    yield from facts.evidence.left


def told_as_it_is(facts: Facts) -> Iterator[str]:
    """The API tells of each recipient what the rows say."""
    for whom in facts.recipients:
        rows: Counter[tuple[str, str, int]] = Counter()
        for row in facts.rows.get(whom, ()):
            rows[row.way, row.device, row.status] += row.count
        told = facts.evidence.told.get(whom)
        if told != rows:
            yield f"{whom}: told {None if told is None else dict(told)}, but there is {dict(rows)}"


def inboxes(facts: Facts) -> Iterator[str]:
    """An acknowledged message is in the inbox of each addressee, once, and in nobody else's; one that was not is in all
    of them or in none."""
    for note in facts.evidence.notes:
        there = {login: inbox[note.mark] for login, inbox in facts.evidence.inboxes.items() if inbox[note.mark]}
        everybody = dict.fromkeys(note.recipients, 1)
        if there != everybody and (note.acknowledged or there or not note.recipients):
            yield f"{note.mark}: for {sorted(note.recipients)}, in the inboxes of {there}; {note.asked}"


def copies(facts: Facts) -> Iterator[str]:
    """Whoever wants one gets a copy by e-mail of what came to their inbox."""
    wanted = {person.login for team in facts.evidence.teams for person in team.people if person.wants_copies}
    taken = {(each.mark, each.login) for each in facts.evidence.requests if each.is_taken}
    for login in wanted:
        for mark in facts.evidence.inboxes.get(login, ()):
            if (mark, login) not in taken:
                yield f"{mark} {login}: no copy came by e-mail"


RULES: dict[str, Rule] = {
    "no request is refused": refused,
    "an acknowledged alarm is there, once": raised_once,
    "everybody whom an alarm names is planned": everybody_is_planned,
    "nothing is left behind": nothing_is_left,
    "what is called sent was taken": rules_of_messages.sent_was_taken,
    "what was not sent has a reason": rules_of_messages.reasons,
    "nobody is left in silence": rules_of_messages.silence,
    "one message has one key": rules_of_messages.keys,
    "nothing comes to strangers": rules_of_messages.strangers,
    "nothing comes after the end": rules_of_answers.after_the_end,
    "an acknowledged answer is kept": rules_of_answers.kept,
    "an answer is refused only when it is too late": rules_of_answers.refused,
    "the API tells what is": told_as_it_is,
    "an acknowledged message is in each inbox, once": inboxes,
    "copies of inboxes come": copies,
}

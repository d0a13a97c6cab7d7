"""The check of answers, and of what comes after them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from tests.chaos.evidence import Answer
from tests.chaos.facts import Facts, Whom

# What a sender had taken up before may still leave (contract 4): seconds.
MAY_LEAVE = 1.0


def after_the_end(facts: Facts) -> Iterator[str]:
    """Nobody gets anything later than a second after their answer, the closing or the end of their time."""
    for whom, requests in facts.requests.items():
        ends = list(facts.acknowledged_ends.get(whom, ()))
        if recipient := facts.recipients.get(whom):
            ends.append((recipient.deadline, "the end of their time"))
        for request in requests:
            late = [(facts.delay(request, at), why) for at, why in ends]
            found = [f"{delay:.3f} s after {why}" for delay, why in late if delay > MAY_LEAVE]
            if found:
                yield f"{', '.join(found)}: {request}"


def of_recipients(facts: Facts) -> dict[Whom, list[Answer]]:
    found = defaultdict(list)
    for answer in facts.evidence.answers:
        found[answer.mark, answer.login].append(answer)
    return found


def kept(facts: Facts) -> Iterator[str]:
    """An acknowledged answer is in the history; the one in force is the last one, or one that was asked for since and
    may have happened; and the API tells it."""
    history = defaultdict(set)
    for mark, login, response in facts.evidence.history:
        history[mark, login].add(response)
    answers = of_recipients(facts)
    for whom, found in answers.items():
        acknowledged = [answer for answer in found if answer.acknowledged]
        for answer in acknowledged:
            if answer.response not in history[whom]:
                yield f"{whom}: {answer.response} is not in the history {history[whom]}; {answer.asked}"
        recipient = facts.recipients.get(whom)
        in_force = recipient.response if recipient else None
        if recipient and in_force not in _possible(found):
            yield f"{whom}: {in_force} is in force, but was answered {found}"
    for whom, recipient in facts.recipients.items():
        told = {listed.responses.get(recipient.login) for listed in facts.listed.get(recipient.mark, ())}
        if told != {recipient.response}:
            yield f"{whom}: {recipient.response} is in force, the API tells {told}"
        if recipient.response is not None and whom not in answers:
            yield f"{whom}: {recipient.response} is in force, which nobody has answered"


def _possible(answers: list[Answer]) -> set[bool | None]:
    """Return which answers may be in force: a later one wins, two that were asked at the same time in either order."""
    possible: set[bool | None] = {None}
    happened = [answer for answer in answers if answer.may_have_happened]
    for answer in happened:
        settled = answer.acknowledged
        others = [other for other in happened if other is not answer and other.acknowledged]
        # Overtaken by one that was asked for after this one's last try had ended.
        overtaken = any(other.asked[0].at > answer.asked[-1].done_at for other in others)
        if not overtaken:
            possible.add(answer.response)
            if settled:
                possible.discard(None)
    return possible


def refused(facts: Facts) -> Iterator[str]:
    """Within the time that everybody has, an answer to an alarm that is open is taken."""
    for answer in facts.evidence.answers:
        alarm = facts.alarms[answer.mark]
        last = answer.asked[-1] if answer.asked else None
        if last is None or last.status != 409 or alarm.is_scheduled or alarm.ends_at is not None:
            continue
        in_time = last.done_at < alarm.asked[0].at + facts.team_of[answer.login].timeout
        closings = [each for each in facts.evidence.closings if each.mark == answer.mark and each.may_have_happened]
        if in_time and not any(closing.asked[0].at < last.done_at for closing in closings):
            yield f"{answer.mark} {answer.login}: refused in time; {answer.asked}"

"""The check of what goes to devices."""

from __future__ import annotations

from collections.abc import Iterator

from tests.chaos.evidence import Request, Row
from tests.chaos.facts import Facts

SENT, FAILED, CANCELLED = (2, 3), 4, 5
# What gateways here ask for at most, in seconds, and what stands in contract 7: 5 s, 15 s, 45 s... and some jitter.
RETRY_AFTER = 3.0
FIRST_RETRY, JITTER, LONGEST_RETRY = 5.0, 1.2, 360.0
REFUSED = "410"
# Clocks are compared, and dates are those of attempts, of which some are written when the database is back: seconds.
CLOSE, WRITTEN_LATE = 0.1, 5.0
# So long after its database is back a service sends again, on a machine that has others things to do too: seconds.
SOON = 6.0


def sent_was_taken(facts: Facts) -> Iterator[str]:
    """For each message of a device that is said to be sent a sink has taken one, under a key of its own."""
    for what, rows in facts.rows_of.items():
        sent = sum(row.count for row in rows if row.status in SENT)
        taken = {request.key for request in facts.requests_of.get(what, ()) if request.is_taken}
        if sent > len(taken):
            yield f"{what}: {sent} sent, but sinks have taken {len(taken)}; {rows}"


def reasons(facts: Facts) -> Iterator[str]:
    for row in facts.evidence.rows:
        if row.status == FAILED and not _may_have_failed(facts, row):
            yield f"{row}: failed without need; {_tried(facts, row)}"
        elif row.status == CANCELLED and not _may_be_cancelled(facts, row):
            yield f"{row}: cancelled, but neither answered nor closed nor over"


def _may_have_failed(facts: Facts, row: Row) -> bool:
    """A gateway has refused it for good, or it was tried until its recipient's time was over, to the next try."""
    if not row.reason:
        return False
    if any(request.answered == REFUSED for request in facts.requests_of.get(row.of, ())):
        return True
    wait = max(RETRY_AFTER, min(FIRST_RETRY * 3 ** min(row.attempts - 1, 10) * JITTER, LONGEST_RETRY))
    return row.attempts > 0 and _time_over_by(facts, row, row.changed_at + wait + WRITTEN_LATE)


def _may_be_cancelled(facts: Facts, row: Row) -> bool:
    if not row.reason:
        return False
    if row.attempts and facts.ends.get((row.mark, row.login)):
        return True  # The date is that of the attempt; what ended the escalation may have come before it was written.
    at = row.changed_at + CLOSE
    return facts.ended_before((row.mark, row.login), at) or _time_over_by(facts, row, at)


def _time_over_by(facts: Facts, row: Row, at: float) -> bool:
    """Whether a recipient's time was over then, as far as that was known when the row was written (contract 5): it
    starts with the first message that left, and ends without one after the timeout at the earliest."""
    whom = row.mark, row.login
    recipient, alarm = facts.recipients.get(whom), facts.alarms.get(row.mark)
    if recipient is None or alarm is None:
        return False
    has_left = any(other.status in SENT and other.changed_at <= row.changed_at for other in facts.rows[whom])
    earliest = alarm.asked[0].at + facts.team_of[row.login].timeout
    over_at = recipient.deadline if has_left else min(recipient.deadline, earliest)
    return over_at <= at and (earliest <= at or alarm.ends_at is not None)


def silence(facts: Facts) -> Iterator[str]:
    """Whoever has not answered was tried over something, if the service had the time to."""
    for whom, recipient in facts.recipients.items():
        rows = facts.rows.get(whom, ())
        if facts.ends.get(whom) or facts.requests.get(whom) or any(row.attempts for row in rows):
            continue
        waited = [facts.working((row.due_at, recipient.deadline)) for row in rows]
        if max(waited, default=0.0) > SOON:
            yield f"{whom}: nothing was tried for them, though it was due for {max(waited):.1f} s; {rows}"


def keys(facts: Facts) -> Iterator[str]:
    """Each message of a device has one key, and each key is one device's."""
    for what, requests in facts.requests_of.items():
        found = {request.key for request in requests}
        _mark, login, way, device = what
        # Where nothing is planned, nothing may come at all.
        if login in facts.team_of and len(found) > max(1, facts.planned(login)[way, device]):
            yield f"{what}: {len(found)} keys; {requests}"
    owners: dict[str, tuple[str, ...]] = {}
    for what, requests in facts.requests_of.items():
        for key in {request.key for request in requests}:
            if owners.setdefault(key, what) != what:
                yield f"{key}: of {owners[key]} and {what}"


def strangers(facts: Facts) -> Iterator[str]:
    """What comes is for a recipient of the alarm, and says so."""
    for request in facts.of_alarms:
        whom = request.mark, request.login
        recipient, listed = facts.recipients.get(whom), facts.listed.get(request.mark, [])
        if recipient is None or (request.way, request.device) not in facts.planned(request.login):
            yield f"{request}: nobody planned it"
        elif request.alarm_id and not _names(facts, request, [each.id for each in listed], recipient.message_id):
            yield f"{request}: it names somebody else"


def _names(facts: Facts, request: Request, alarm_ids: list[int], message_id: str) -> bool:
    """Whether what an HTTP gateway was told is right."""
    return (
        request.alarm_id in alarm_ids
        and facts.evidence.users.get(request.user_id) == request.login
        and request.message_id == message_id
    )


def _tried(facts: Facts, row: Row) -> list[str]:
    return [f"{request.at:.3f} {request.answered}" for request in facts.requests_of.get(row.of, ())]

"""What a run tells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tests.chaos.evidence import Order
from tests.chaos.facts import Facts
from tests.chaos.rules import Violation
from tests.chaos.rules_of_answers import MAY_LEAVE

if TYPE_CHECKING:
    from tests.chaos.run import Run

SHOWN = 40
LONGEST = 1500  # characters
TAKEN_BACK = "taken back from a sender"


def tell(run: Run, violations: list[Violation]) -> None:
    for line in lines(run):
        print(line)
    for violation in violations[:SHOWN]:
        print(f"VIOLATION {violation.rule}: {violation.facts[:LONGEST]}")
    print(f"Violations: {len(violations)}", dict(Counter(violation.rule for violation in violations)) or "")


def lines(run: Run) -> Iterator[str]:
    evidence, facts = run.evidence, Facts(run.evidence)
    requests = facts.of_alarms
    keys = Counter(request.key for request in requests)
    taken = Counter(request.key for request in requests if request.is_taken)
    copies = len(evidence.requests) - len(requests)
    statuses: Counter[int] = Counter()
    for row in evidence.rows:
        statuses[row.status] += row.count
    yield f"alarms           {_orders(evidence.alarms)}, recipients {len(evidence.recipients)}"
    yield f"device messages  {sum(statuses.values())}, by status {dict(sorted(statuses.items()))}"
    yield f"answers          {_orders(evidence.answers)}, closings {_orders(evidence.closings)}"
    received = sum(map(Counter.total, evidence.inboxes.values()))
    yield f"inbox messages   {_orders(evidence.notes)}, in inboxes {received}"
    yield f"at sinks         {len(requests)} of alarms, {copies} copies, by answer {_by_answer(run)}"
    twice = sum(count > 1 for count in taken.values())
    yield f"retries          {keys.total() - len(keys)}, taken twice or more {twice}"
    yield f"strikes          {dict(sorted(run.havoc.done.items()))}"
    yield f"connections cut  {run.havoc.cut}, retries and jobs pressed {run.havoc.pressed}"
    yield f"restarts         {dict(sorted(run.supervisor.restarts.items()))}"
    yield f"taken back       {run.supervisor.said('worker', TAKEN_BACK)} messages of dead or stopped senders"
    yield f"audited          {evidence.audited}"
    yield f"left late        {_late(facts)} by senders that had been stopped, as they went on"
    yield f"settled          in {run.settled_in:.1f} s, {'healthy' if run.is_healthy else 'NOT HEALTHY'}"
    stalled = sum(until - since for since, until in evidence.stalls)
    away = sum(until - since for since, until in evidence.outages)
    yield f"the run itself   did not get on for {stalled:.1f} s in all; the database did not answer for {away:.1f} s"


def _orders(orders: Sequence[Order]) -> str:
    acknowledged = sum(order.acknowledged is not None for order in orders)
    return f"{len(orders)} ({acknowledged} acknowledged, {sum(len(order.asked) for order in orders)} requests)"


def _by_answer(run: Run) -> dict[str, int]:
    return dict(sorted(Counter(request.answered for request in run.evidence.requests).items()))


def _late(facts: Facts) -> int:
    """Return how many messages would have been too late, had their sender not been stopped."""
    return sum(
        any(request.at - at > MAY_LEAVE >= facts.delay(request, at) for at, _why in ends)
        for whom, ends in facts.acknowledged_ends.items()
        for request in facts.requests.get(whom, ())
    )

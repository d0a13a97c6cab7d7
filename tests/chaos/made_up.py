"""A run that nobody has made, in which nothing is wrong."""

from __future__ import annotations

from collections import Counter

from tests.chaos.evidence import (
    Alarm,
    Answer,
    Asked,
    Closing,
    Evidence,
    Listed,
    Note,
    Recipient,
    Request,
    Row,
)
from tests.chaos.people import Device, Person, Team

ANNA = Person("anna", (Device("app", "Phone", "anna-1"), Device("sms", "Cell", "anna-2")), (("app", 0), ("sms", 5)))
BERT = Person(
    "bert",
    (Device("app", "Old", "gone-bert"), Device("email", "Mail", "bert@chaos.example")),
    (("app", 0), ("email", 0)),
    wants_copies=True,
)
TEAM = Team("Brigade", (ANNA, BERT), timeout=20, groups={"Both": ("anna", "bert")})


def alarm(at: float = 100.0, **others: object) -> Alarm:
    asked = [Asked(at, at + 2.0, None), Asked(at + 2.4, at + 2.5, 201, alarm_id=7)]
    return Alarm(**{"mark": "alarm-0", "asked": asked, "team": "Brigade", "recipients": ("anna", "bert")} | others)


def request(**others: object) -> Request:
    """Return what Anna's phone got."""
    known = {"at": 102.6, "slot": "0", "way": "app", "key": "k1", "mark": "alarm-0", "login": "anna", "device": "Phone"}
    named = {"alarm_id": 7, "user_id": 1, "message_id": "m1", "attempt": 1, "answered": "200"}
    return Request(**known | named | others)


def row(**others: object) -> Row:
    """Return what the database has of that."""
    whose = {"id": 1, "mark": "alarm-0", "login": "anna", "device": "Phone", "way": "app", "turn": 0}
    state = {"status": 2, "attempts": 1, "reason": "", "due_at": 102.5, "changed_at": 102.7}
    return Row(**whose | state | others)


def answer(at: float = 104.0, status: int | None = 200, **others: object) -> Answer:
    """Return Anna's answer."""
    return Answer(**{"mark": "alarm-0", "asked": [Asked(at, at + 0.1, status)], "login": "anna"} | others)


def closing(at: float, status: int | None = 200) -> Closing:
    return Closing("alarm-0", [Asked(at, at + 0.1, status)])


def recipient(**others: object) -> Recipient:
    known = {"mark": "alarm-0", "login": "anna", "message_id": "m1", "is_planned": True, "is_escalating": False}
    return Recipient(**known | {"deadline": 122.7, "response": True} | others)


def note(**others: object) -> Note:
    return Note(**{"mark": "note-0", "asked": [Asked(110.0, 110.1, 201)], "recipients": frozenset({"bert"})} | others)


MAIL = {"at": 102.8, "way": "email", "key": "<k3>", "login": "bert", "device": "Mail", "alarm_id": 0, "user_id": 0}
BERTS = {"login": "bert", "message_id": "m2", "deadline": 122.9, "response": None}


CELL = {"device": "Cell", "way": "sms", "turn": 1, "status": 5, "attempts": 0, "reason": "answered"} | {
    "due_at": 107.5,
    "changed_at": 104.05,
}


def evidence() -> Evidence:
    """Anna is alarmed over her phone and answers before her cell's turn comes; Bert's phone is gone, he gets a mail,
    and later a note with a copy."""
    return Evidence(
        teams=(TEAM,),
        users={1: "anna", 2: "bert"},
        alarms=[alarm()],
        answers=[answer()],
        notes=[note()],
        requests=[
            request(),
            request(key="k2", login="bert", device="Old", user_id=2, message_id="m2", answered="410"),
            request(**MAIL),
            request(**MAIL | {"at": 111.0, "key": "<n>", "mark": "note-0", "device": ""}),
        ],
        listed=[Listed(7, "alarm-0", {"anna": True, "bert": None})],
        told={
            ("alarm-0", "anna"): Counter([("app", "Phone", 2), ("sms", "Cell", 5)]),
            ("alarm-0", "bert"): Counter([("app", "Old", 4), ("email", "Mail", 2)]),
        },
        inboxes={"anna": Counter(), "bert": Counter({"note-0": 1})},
        rows=[
            row(),
            row(
                device="Cell",
                way="sms",
                turn=1,
                status=5,
                attempts=0,
                reason="answered",
                due_at=107.5,
                changed_at=104.05,
            ),
            row(login="bert", device="Old", status=4, reason="HTTP 410"),
            row(login="bert", device="Mail", way="email", changed_at=102.9),
        ],
        recipients=[recipient(), recipient(**BERTS)],
        history=[("alarm-0", "anna", True)],
    )

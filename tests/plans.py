"""The plans that PostgreSQL has made for what really ran, and what is wrong with them.

The server itself tells them (debug_print_plan; auto_explain is not in every PostgreSQL): so it does not matter over
which cursor a statement runs and whether it was prepared, and the statements of triggers and functions are told too.
"""

from __future__ import annotations

import math
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from django.db import connection
from psycopg.errors import Diagnostic

ROOT = Path(__file__).resolve().parent.parent

# A table of fewer rows may be read as a whole, and so many rows may be sorted.
LARGE = 2000
BATCH = 1000

TOKEN = re.compile(r'[{}()]|"(?:\\.|[^"\\])*"|(?:\\.|[^\s{}()\\])+', re.DOTALL)
SCANS = {"SEQSCAN", "INDEXSCAN", "INDEXONLYSCAN", "BITMAPHEAPSCAN"}
SORTS = {"SORT", "INCREMENTALSORT"}
# What reads all that is below it, however few rows are wanted.
BLOCKING = {"SORT", "AGG", "HASH", "WINDOWAGG", "SETOP", "MATERIAL", "BITMAPHEAPSCAN"}
# Where a column of an index is meant, in place of the number of a table.
INDEX = "-3"

SETTINGS = (
    "SET client_min_messages = log",
    "SET debug_pretty_print = off",
    # What was planned before is planned again.
    "DISCARD PLANS",
)


class Relation(NamedTuple):
    """A table or an index."""

    name: str
    rows: float
    """As the planner believes."""


# One that was made while plans were collected.
NEW = Relation("new", 0.0)


@dataclass
class Node:
    """A part of a plan; only a few of its fields have a name."""

    kind: str
    fields: dict[str, list[Any]]
    children: list[Node] = field(default_factory=list)

    @property
    def rows(self) -> float:
        return float(self.fields["plan_rows"][0])

    def begins_at_a_value(self) -> bool:
        """Whether an index is not read from its beginning to its end: there is a condition for its first column."""
        columns = [each.fields["varattno"] for each in self.parts("indexqual") if each.fields.get("varno") == [INDEX]]
        return ["1"] in columns

    def parts(self, name: str) -> Iterator[Node]:
        """Return all that a field is made of."""
        for part in self.fields.get(name, []):
            if isinstance(part, Node):
                yield part
                for inner in part.fields:
                    yield from part.parts(inner)


@dataclass
class Plan:
    """The plan of a statement."""

    statement: str
    where: str
    """The line of ours that ran it."""
    roots: list[Node]
    """The plan itself, before it those of its common table expressions and subqueries."""
    tables: list[int]
    relations: dict[int, Relation]

    def table(self, node: Node) -> Relation | None:
        """Return the table that a node reads."""
        if node.kind not in SCANS:
            return None
        return self.relations.get(self.tables[int(node.fields["scanrelid"][0]) - 1], NEW)

    def index(self, node: Node) -> Relation | None:
        """Return the index that a node reads."""
        return self.relations.get(int(node.fields["indexid"][0]), NEW) if "indexid" in node.fields else None

    def names(self) -> set[str]:
        """Return the tables that are read or written."""
        return {self.relations[oid].name for oid in self.tables if oid in self.relations}

    def indexes(self) -> set[str]:
        """Return the indexes that are read."""
        return {index.name for root in self.roots for node in walk(root) if (index := self.index(node))}

    def findings(self) -> list[str]:
        """Return what would take longer the more rows there are."""
        return [found for root in self.roots for found in self._findings(root, wanted=math.inf)]

    def _findings(self, node: Node, *, wanted: float) -> Iterator[str]:
        """Yield what is wrong with a node and what is below it, of which only so many rows are wanted."""
        table, index = self.table(node), self.index(node)
        if index is not None:
            if not node.begins_at_a_value() and index.rows * min(1.0, wanted / max(node.rows, 1.0)) >= LARGE:
                yield f"scan of the whole index {index.name}"
        elif table is not None and node.kind != "BITMAPHEAPSCAN" and table.rows >= LARGE:
            yield f"sequential scan on {table.name}"
        if node.kind in SORTS and node.rows > BATCH:
            yield f"sort of {node.rows:.0f} rows"
        if node.kind == "LIMIT":
            wanted = min(wanted, node.rows)
        elif node.kind in BLOCKING:
            wanted = math.inf
        for child in node.children:
            yield from self._findings(child, wanted=wanted)

    def __str__(self) -> str:
        lines = [f"{self.where}: {self.statement}"]
        for root in self.roots:
            lines += self._lines(root, 1)
        return "\n".join(lines)

    def _lines(self, node: Node, depth: int) -> Iterator[str]:
        table, index = self.table(node), self.index(node)
        on, by = f" on {table.name}" if table else "", f" by {index.name}" if index else ""
        yield f"{'  ' * depth}{node.kind}{on}{by}, {node.rows:.0f} rows"
        for child in node.children:
            yield from self._lines(child, depth + 1)


def walk(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from walk(child)


@contextmanager
def plans(*, generic: bool = False) -> Iterator[list[Plan]]:
    """Collect the plans of all that runs on the test's connection, in its transaction.

    Args:
        generic: make those that a prepared statement keeps, whatever its parameters.
    """
    found: list[Plan] = []
    assert connection.in_atomic_block, "what is set here ends with the transaction"
    with connection.cursor() as cursor:
        for setting in (*SETTINGS, f"SET plan_cache_mode = {'force_generic_plan' if generic else 'auto'}"):
            cursor.execute(setting)
        relations = read_relations()

        def keep(notice: Diagnostic) -> None:
            if (notice.message_detail or "").startswith("{PLANNEDSTMT"):
                found.append(plan_of(notice, relations))

        assert connection.connection is not None
        connection.connection.add_notice_handler(keep)
        cursor.execute("SET debug_print_plan = on")
        try:
            yield found
        finally:
            connection.connection.remove_notice_handler(keep)


def read_relations() -> dict[int, Relation]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT oid, relname, reltuples FROM pg_class")
        return {oid: Relation(name, rows) for oid, name, rows in cursor.fetchall()}


def plan_of(notice: Diagnostic, relations: dict[int, Relation]) -> Plan:
    tokens = iter(TOKEN.findall(notice.message_detail or ""))
    next(tokens)
    planned = node_of(tokens)
    tables = [entry.fields.get("relid", ["0"]) for entry in planned.fields["rtable"]]
    roots = [each for each in (*planned.fields["subplans"], *planned.fields["planTree"]) if isinstance(each, Node)]
    where, statement = running()
    return Plan(notice.context or statement, where, roots, [int(oid) for (oid,) in tables], relations)


def node_of(tokens: Iterator[str]) -> Node:
    """Return the node whose `{` was read. The names of its fields lose what tells where they are inherited from, which
    is not the same in each PostgreSQL: `:scan.plan.plan_rows` and `:plan_rows`."""
    node, name = Node(next(tokens), {}), ""
    for token in tokens:
        if token == "}":
            break
        if token == "{":
            child = node_of(tokens)
            node.fields[name].append(child)
            if "plan_rows" in child.fields:
                node.children.append(child)
        elif token.startswith(":"):
            name = token[1:].rpartition(".")[2]
            node.fields[name] = []
        elif token not in "()":
            node.fields[name].append(token)
    return node


def running() -> tuple[str, str]:
    """Return the line of ours and the statement that run at this moment."""
    where = statement = ""
    for frame, line in traceback.walk_stack(None):
        path = Path(frame.f_code.co_filename)
        if not statement and frame.f_code is psycopg.Cursor.execute.__code__:
            statement = " ".join(str(frame.f_locals["query"]).split())
        if path.is_relative_to(ROOT) and path != Path(__file__) and ".venv" not in path.parts:
            return f"{path.relative_to(ROOT)}:{line}", statement
    return where, statement

"""The status codes of the tables, of all their files, are those of the OpenAPI document."""

from __future__ import annotations

import json

from messaging_project.openapi import DOCUMENT
from tests.messaging_project.test_status_codes import TABLE, operation
from tests.messaging_project.test_status_codes_devices import DEVICES_TABLE
from tests.messaging_project.test_status_codes_inbox import INBOX_TABLE
from tests.messaging_project.walk import WALK


def test_every_status_in_the_document_is_in_a_table_and_the_other_way_round() -> None:
    tables = (*TABLE, *INBOX_TABLE, *DEVICES_TABLE)
    said = {(operation(row.request), row.status) for row in tables if row.status not in {405, 429}}
    said |= {(operation(name), status) for name, (_path, _body, statuses) in WALK.items() for status in statuses}
    documented = set()
    for path, methods in json.loads(DOCUMENT.read_text())["paths"].items():
        for method, described in methods.items():
            name = operation(f"{method.upper()} {path}")
            documented |= {(name, int(code)) for code in described["responses"]}
            # Every operation answers with these, see the other files.
            said |= {(name, status) for status in (400, 401, 414, 429, 431, 500, 503)}
            if method in {"post", "put", "patch"}:
                said |= {(name, 413), (name, 415)}
    assert sorted(said ^ documented) == []

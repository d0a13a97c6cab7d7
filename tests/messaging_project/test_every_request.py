"""What the contract says of every request alike (2): slashes, methods, and bodies.

Which operations there are, and who may what, is in the table of walk.py.
"""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from itertools import product
from typing import Any

import pytest

from alarms.models import DeviceMessage
from inbox.models import InboxMessage
from organizations.models import Device, Organization
from tests.dialect import refused
from tests.messaging_project.asking import DEVICE, IDS, ORGANIZATION, ask, generic, signed_beside, undone, who_may
from tests.messaging_project.walk import FORM, FORMS, JSON, OF_GATEWAYS, WALK, encoded, filled, of_twilio

pytestmark = pytest.mark.django_db

MIB = 1024 * 1024
WRITES = [name for name in WALK if name.startswith(("POST", "PUT", "PATCH"))]
# What takes a list, as that is set as a whole.
OF_LISTS = ["PUT organization/<pk>/ways"]


def test_every_path_works_with_a_slash_without_a_redirect(brigade: Organization) -> None:
    for operation in WALK:
        asking = who_may(operation, brigade)
        with undone():
            without = ask(operation, asking)
        with undone():
            with_one = ask(operation, asking, slash="/")
        assert 200 <= without.status_code == with_one.status_code < 300, (operation, with_one.content)


def test_a_wrong_method_is_405_and_told_which_ones_there_are(brigade: Organization) -> None:
    methods: dict[str, set[str]] = defaultdict(set)
    for operation in WALK:
        method, _space, path = operation.partition(" ")
        methods[path] |= {method, "HEAD"} if method == "GET" else {method}
    for path, allowed in methods.items():
        asking = who_may(f"{min(allowed)} {path}", brigade)
        # Who signs a form is known by that.
        media_type = FORM if asking is of_twilio else JSON
        for method, slash in product(
            {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} - allowed, ("", "/")
        ):
            url = f"/api/v1/{path.replace('<pk>', str(ORGANIZATION)).replace('<code>', IDS['code'])}{slash}"
            answer = generic(method, url, b"", media_type, asking)
            assert refused(answer, 405, method), (method, path)
            assert set(answer["Allow"].split(", ")) == allowed, (method, path)
        head = generic("HEAD", url, b"", media_type, asking)
        assert (head.status_code == 405) == ("HEAD" not in allowed), path


BODIES = {
    "larger than 1 MiB": (413, b'{"unknown": "' + b"x" * MIB + b'"}', "application/json", "1 MiB"),
    "a form": (415, b"message=Fire", "application/x-www-form-urlencoded", "x-www-form-urlencoded"),
    "a form of several parts": (415, b"--x--", "multipart/form-data; boundary=x", "multipart/form-data"),
    "plain text": (415, b"{}", "text/plain", "text/plain"),
    "of no type": (415, b"{}", "", ""),
    "a list": (400, b"[]", "application/json", "object"),
    "null": (400, b"null", "application/json", "object"),
    "no JSON": (400, b"{", "application/json", "JSON"),
}


FORM_BODIES = {
    "larger than 1 MiB": (413, b"Body=" + b"x" * MIB, FORM, "1 MiB"),
    "an object": (415, b"{}", "application/json", "application/json"),
    "plain text": (415, b"From=7", "text/plain", "text/plain"),
    "a form of several parts": BODIES["a form of several parts"],
    "of no type": (415, b"From=7", "", ""),
}
# Where a list is what is taken.
LIST_BODIES = BODIES | {
    "a list": (400, b"{}", "application/json", "array"),
    "null": (400, b"null", "application/json", "array"),
}


@pytest.mark.parametrize("operation", WRITES)
def test_a_body_that_is_none_is_refused(brigade: Organization, operation: str) -> None:
    method, url = operation.partition(" ")[0], f"/api/v1{WALK[operation][0].format(**IDS)}"
    bodies = FORM_BODIES if operation in FORMS else LIST_BODIES if operation in OF_LISTS else BODIES
    callers = [who_may(operation, brigade), *([partial(signed_beside, {})] if operation in OF_GATEWAYS else [])]
    for (name, (status, body, media_type, naming)), asking in product(bodies.items(), callers):
        if asking is of_twilio:
            # What is no form has no part in the signature.
            asking = of_twilio(url)
        assert refused(generic(method, url, body, media_type, asking), status, naming), name
    assert brigade.alarms.get().closed_at is None
    assert [message.read_at for message in InboxMessage.objects.all()] == [None]
    assert [message.receipt for message in DeviceMessage.objects.all()] == [""]
    assert [(device.pk, device.tested_at) for device in Device.objects.all()] == [(DEVICE, None)]


@pytest.mark.parametrize("operation", WRITES)
def test_unknown_fields_are_ignored_wherever_they_stand(brigade: Organization, operation: str) -> None:
    def with_unknown(value: Any) -> Any:
        if isinstance(value, list):
            return [with_unknown(item) for item in value]
        if isinstance(value, dict):
            return {"unknown": [None], "id": "x", **{key: with_unknown(item) for key, item in value.items()}}
        return value

    body, _media_type = encoded(operation, with_unknown(filled(WALK[operation][1] or {}, IDS)))
    assert 200 <= ask(operation, who_may(operation, brigade), body=body).status_code < 300

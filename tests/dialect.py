"""The dialects of the API's errors: the inbox's (contract 6) and that of everything else (contract 2)."""

from __future__ import annotations

from typing import Any

INBOX = "/api/v1/msg"
RESPONSE_CODES = {
    400: "INVALIDDATA",
    401: "AUTHREQUIRED",
    403: "PERMISSION",
    404: "NOTFOUND",
    405: "INVALIDDATA",
    413: "INVALIDDATA",
    415: "INVALIDDATA",
    429: "FAILURE",
    500: "FAILURE",
    503: "MAINTENANCEMODE",
}


def is_of_inbox(path: str) -> bool:
    return path == INBOX or path.startswith(f"{INBOX}/")


def refused(response: Any, status: int, naming: str = "") -> bool:
    """Whether a response is an error in the dialect of the path that was asked for, and names a field."""
    assert response["Content-Type"].startswith("application/json"), response.content
    error = response.json()
    assert response.status_code == status, error
    if is_of_inbox(response.request["PATH_INFO"]):
        assert set(error) == {"messages", "responseInfo"}
        assert error["messages"] == []
        assert set(error["responseInfo"]) == {"responseCode", "responseMessage", "property"}
        assert error["responseInfo"]["responseCode"] == RESPONSE_CODES[status]
        details = error["responseInfo"]["responseMessage"]
    else:
        assert set(error) == {"success", "message", "error"}
        assert error["success"] is False
        assert error["message"]
        details = error["error"]
    return bool(details) and naming in details


def property_of(response: Any) -> str:
    """Return the field that an answer of the inbox says it is about, empty where it is about none."""
    about: str = response.json()["responseInfo"]["property"]
    return about

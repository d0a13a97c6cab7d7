"""The dialect of the API's errors (contract 2)."""

from __future__ import annotations

from typing import Any


def refused(response: Any, status: int, naming: str = "") -> bool:
    """Whether a response is an error in the dialect of the API that names a field."""
    assert response["Content-Type"].startswith("application/json"), response.content
    error = response.json()
    assert response.status_code == status, error
    assert set(error) == {"success", "message", "error"}
    assert error["success"] is False
    assert error["message"]
    return bool(error["error"]) and naming in error["error"]

"""A program that uses the REST API over HTTP, with nothing but the standard library."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from organizations.models import ApiToken, Organization, PersonalAccessToken, User


class Client:
    """Asks a running service as an organization or as a user."""

    def __init__(self, url: str, principal: Organization | User) -> None:
        self._url = url
        if isinstance(principal, Organization):
            _row, self.token = ApiToken.issue(name="test", organization=principal)
            self._headers = {"API-TOKEN": self.token}
        else:
            _pat, self.token = PersonalAccessToken.issue(name="test", user=principal)
            self._headers = {"Personal-Access-Token": self.token}

    def request(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Return status and JSON."""
        request = urllib.request.Request(
            f"{self._url}/api/v1{path}",
            method=method,
            headers=self._headers | {"Content-Type": "application/json"},
            data=None if body is None else json.dumps(body).encode(),
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def get(self, path: str) -> Any:
        status, answer = self.request("GET", path)
        assert status == 200, answer
        return answer

    def raise_alarm(self, organization: Organization, **resources: object) -> Any:
        status, answer = self.request(
            "POST",
            "/alarm",
            {
                "organizationID": organization.pk,
                "message": "Smoke in the museum",
                "eventName": "B2",
                "alarmResources": resources or {"allUsers": True},
            },
        )
        assert status == 201, answer
        return answer

    def answer(self, alarm_id: int, user_id: int, response: bool) -> int:
        status, _answer = self.request(
            "POST", "/messaging/feedback", {"alarmID": alarm_id, "userID": user_id, "response": response}
        )
        return status

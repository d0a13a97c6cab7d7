"""The parser of request bodies (contract 2)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from messaging_project.errors import PayloadTooLarge

MAX_BODY_BYTES = 1024 * 1024


class BoundedJSONParser(JSONParser):
    """Reads a JSON object of at most 1 MiB.

    Raises: PayloadTooLarge (413), ParseError (400) for what is no JSON object or too deeply nested.
    """

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        raw = stream.read(MAX_BODY_BYTES + 1)
        if len(raw) > MAX_BODY_BYTES:
            raise PayloadTooLarge
        try:
            data = json.loads(raw.decode("utf-8-sig"), parse_constant=_refuse_constant)
        except RecursionError:
            raise ParseError("body: nested too deep.") from None
        except ValueError as error:
            raise ParseError(f"body: no valid JSON: {error}") from error
        if not isinstance(data, dict):
            raise ParseError("body: must be a JSON object.")
        return data


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")

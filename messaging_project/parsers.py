"""The parser of request bodies (contract 2)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any, ClassVar

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser


class JSONObjectParser(JSONParser):
    """Reads a JSON object; Django bounds the body (DATA_UPLOAD_MAX_MEMORY_SIZE).

    Raises: ParseError (400) for what is no JSON object or nested too deep.
    """

    takes: ClassVar[tuple[type, str]] = (dict, "a JSON object")

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        try:
            data = json.loads(stream.read().decode("utf-8-sig"), parse_constant=_refuse_constant)
        except RecursionError:
            raise ParseError("body: nested too deep.") from None
        except ValueError as error:
            raise ParseError(f"body: no valid JSON: {error}") from error
        kind, name = self.takes
        if not isinstance(data, kind):
            raise ParseError(f"body: must be {name}.")
        return data


class JSONArrayParser(JSONObjectParser):
    """Reads a JSON array, where that is what is set as a whole."""

    takes = (list, "a JSON array")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")

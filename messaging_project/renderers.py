"""The renderer of answers (contract 2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from rest_framework import renderers
from rest_framework.utils.encoders import JSONEncoder

OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS
# For what JSON does not know, as DRF's own renderer writes it.
default = JSONEncoder().default


class JSONRenderer(renderers.JSONRenderer):
    """Writes what DRF's own does, times in UTC with `Z`, in a fraction of the time."""

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        return b"" if data is None else orjson.dumps(data, default=default, option=OPTIONS)

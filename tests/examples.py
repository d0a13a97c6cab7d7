"""How many examples hypothesis makes up: few in the suite, many in `make fuzz` (HYPOTHESIS_PROFILE=nightly)."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "default")
TIMES = 40 if PROFILE == "nightly" else 1


def examples(few: int) -> settings:
    """Return the settings of a test that asks for so many in the suite. What its fixtures made is there for all."""
    return settings(
        max_examples=few * TIMES,
        deadline=None,
        # The suite says the same each time; only a long run looks for what is new.
        derandomize=TIMES == 1,
        database=None,
        suppress_health_check=list(HealthCheck),
    )

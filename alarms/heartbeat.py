"""The dead-man's switch: a monitor elsewhere is called as long as all is well, and is heard when that ends."""

from __future__ import annotations

import logging
import urllib.error
import urllib.request

from django.conf import settings

logger = logging.getLogger(__name__)

TIMEOUT = 10  # seconds


def beat() -> bool:
    """Call HEARTBEAT_URL if the service is healthy as others see it: its /health is asked for over BASE_URL, so that
    the web processes and what stands before them have to be there too. Return whether it was called.

    Nothing is raised: silence is what the monitor understands.
    """
    if (wrong := _failure(f"{settings.BASE_URL}/health")) is not None:
        logger.error("no heartbeat, as BASE_URL/health does not say that all is well: %s", wrong)
        return False
    if (wrong := _failure(settings.HEARTBEAT_URL)) is not None:
        # Its address may be a secret.
        logger.error("the heartbeat was not taken by HEARTBEAT_URL: %s", wrong)
        return False
    return True


def _failure(url: str) -> str | None:
    """GET a URL; return what went wrong, None for an answer of 2xx."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT):  # noqa: S310 - of the settings
            return None
    except urllib.error.HTTPError as error:
        error.close()
        return f"HTTP {error.code}"
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return type(reason).__name__ if isinstance(reason, Exception) else type(error).__name__

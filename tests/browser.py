"""A real browser, where there is one: always in CI, which installs it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def rendered(url: str, profile: Path) -> str:
    """Return the page as it stands when its scripts have run."""
    browser = next(filter(None, map(shutil.which, NAMES)), None)
    if browser is None:
        assert not os.environ.get("CI"), "CI has no browser"
        pytest.skip("no Chromium on this machine: pages are not looked at")
    done = subprocess.run(
        [
            *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
            *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *(f"--user-data-dir={profile}", "--virtual-time-budget=20000", "--dump-dom", url),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout

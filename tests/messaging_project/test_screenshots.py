"""The pictures of docs/admin.md."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
from pathlib import Path

from tests.browser import installed
from tests.processes import ROOT

PICTURES = {"home.png", "alarm.png", "escalation.png"}


def test_anyone_can_make_the_pictures_that_the_documents_show(tmp_path: Path) -> None:
    installed()
    done = subprocess.run(
        [sys.executable, "docs/screenshots.py", "--to", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == PICTURES
    for path in tmp_path.iterdir():
        signature, size = path.read_bytes()[:8], struct.unpack(">II", path.read_bytes()[16:24])
        assert (signature, size) == (b"\x89PNG\r\n\x1a\n", (1360, 900))


def test_the_documents_show_them() -> None:
    shown = re.findall(r"!\[[^]]+\]\(pictures/(\S+)\)", (ROOT / "docs" / "admin.md").read_text())
    assert set(shown) == PICTURES == {path.name for path in (ROOT / "docs" / "pictures").iterdir()}
    assert "](docs/pictures/home.png)" in (ROOT / "README.md").read_text()

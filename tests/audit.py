"""Asks whether vulnerabilities are known of what requirements*.txt install: `make audit`, as CI does.

Exits with 1 where there are. Where nobody can be asked, as behind a proxy that has packages only, it says so and ends
well: a release is not held up by that, and the next run may know more.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

FILES = ("requirements.txt", "requirements-dev.txt")
# Vulnerabilities that do not reach us: the id, and why.
ACCEPTED: dict[str, str] = {}
AWAY = ("ConnectionError", "ServiceError", "Timeout")


def command(*more: str) -> list[str]:
    files = [argument for file in FILES for argument in ("--requirement", file)]
    accepted = [argument for each in ACCEPTED for argument in ("--ignore-vuln", each)]
    # Every package is named with its version in the files: nothing has to be resolved or installed.
    exactly = ("--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off", "--timeout", "15")
    return [sys.executable, "-m", "pip_audit", *files, *exactly, *accepted, *more]


def verdict(packages: list[dict[str, Any]]) -> tuple[list[str], bool]:
    """Return what to say of pip-audit's findings, and whether nothing is wrong."""
    known = [
        f"{package['name']} {package['version']}: {each['id']}, mended in {' '.join(each['fix_versions']) or 'none'}"
        for package in packages
        for each in package.get("vulns", [])
    ]
    unasked = [package["name"] for package in packages if "skip_reason" in package]
    lines = [*known, f"{len(packages) - len(unasked)} packages audited, {len(known)} vulnerabilities known"]
    if len(unasked) == len(packages):
        lines = ["NOT AUDITED: the service that knows vulnerabilities has no word of any package"]
    elif unasked:
        lines.append(f"not audited: {', '.join(unasked)}")
    return lines, not known


def main(*more: str) -> int:
    done = subprocess.run(command(*more), capture_output=True, text=True, check=False)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except ValueError:
        last = (done.stderr.strip().splitlines() or [""])[-1]
        if any(word in last for word in AWAY):
            print(f"NOT AUDITED: the service that knows vulnerabilities is out of reach: {last[:120]}")
            return 0
        print(done.stderr)
        return 1
    lines, is_well = verdict(packages)
    print("\n".join(lines))
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

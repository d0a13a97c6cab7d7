"""Lets schemathesis, which knows nothing of the code, ask for every operation of the OpenAPI document."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tests.messaging_project.conformance_world import SECRET, World
from tests.messaging_project.signing import SHARED

ROOT = Path(__file__).resolve().parent.parent.parent

# Who asks for what: who signs, only for what takes that; users not for what gateways say; and all for the rest.
NOT_OF_GATEWAYS = "--exclude-path-regex ^/inbound/|/receipt$"
PRINCIPALS = {
    "user": NOT_OF_GATEWAYS,
    "admin": NOT_OF_GATEWAYS,
    "organization": "--exclude-path-regex ^/inbound/twilio/",
    "gateway": "--include-path /messagestatus/receipt --include-path /inbound/sms",
    "twilio": "--include-path-regex ^/inbound/twilio/",
    "nobody": "",
}


class Examination(NamedTuple):
    """How much is asked for."""

    examples: int
    """Cases an operation and phase."""
    scenarios: int
    """Of the stateful phase: in each, what one request has made the next asks for."""
    phases: str = "examples,coverage,fuzzing,stateful"
    seed: int = 1
    methods: bool = True
    """Whether wrong methods are asked for too."""

    def settings(self) -> str:
        """Return schemathesis.toml. An address that is too long, as invalid ones may be, is told so."""
        return (
            "[checks.negative_data_rejection]\nexpected-statuses = [400, 401, 403, 404, 405, 409, 413, 414, 415, 431]\n"
            f"[phases.stateful.generation]\nmax-examples = {self.scenarios}\n"
        ) + ("" if self.methods else "[phases.coverage]\nunexpected-methods = []\n")


def examined(
    world: World, principal: str, url: str, folder: Path, examination: Examination
) -> subprocess.CompletedProcess[str]:
    """Let the tool ask everything as `principal`. How often it asked for what stands in `folder`/counts.json."""
    (folder / "schemathesis.toml").write_text(examination.settings())
    command = f"""
        -m schemathesis.cli run {url}/api/schema --url {url}/api/v1 --checks all --max-examples {examination.examples}
        --workers 1 --continue-on-failure --seed {examination.seed} --no-color --generation-database none
        --generation-with-security-parameters false --output-sanitize false {PRINCIPALS[principal]}
        --phases {examination.phases}
    """
    variables = {
        "SCHEMATHESIS_HOOKS": "tests.messaging_project.schemathesis_hooks",
        "PYTHONPATH": str(ROOT),
        "KNOWN": json.dumps(world.known_to(principal)),
        "PRINCIPAL": principal,
        "SECRET": SHARED,
        "FOREIGN_MARK": SECRET,
        "COUNTS": str(folder / "counts.json"),
    }
    return subprocess.run(
        [sys.executable, *command.split(), *world.headers(principal)],
        cwd=folder,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=3600,
    )

"""`python -m tests.chaos`: a load of alarms, answers and inbox messages on a real service while its processes are
killed, its database crashes and its gateways misbehave. Then it is checked that nothing was lost or came too late."""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from benchmarks.__main__ import ENDING, allow_open_files, end, end_children, leave_undisturbed
from benchmarks.service import free_port
from tests.chaos.plan import plan

# What is set here or in the shell of whoever runs it is no part of the run.
UNSET = ("ANYMAIL_", "GATEWAY_", "EMAIL_", "DEFAULT_", "JWT_", "TWILIO_", "HEARTBEAT_")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=180.0, help="how long the load lasts (default: 180)")
    parser.add_argument("--seed", help="repeats a run (default: a new one)")
    parser.add_argument("--keep", action="store_true", help="keep the folder of logs also when nothing is wrong")
    arguments = parser.parse_args()
    seed = arguments.seed or secrets.token_hex(4)
    for number in ENDING:
        signal.signal(number, end)
    allow_open_files()
    folder = Path(tempfile.mkdtemp(prefix="messaging-chaos-"))
    is_kept = True
    print(f"seed             {seed}, {arguments.seconds:g} s, in {folder}", flush=True)
    try:
        is_well = play(folder, seed, arguments.seconds)
        is_kept = arguments.keep or not is_well
    finally:
        leave_undisturbed()
        end_children()
        shutil.rmtree(folder / "data", ignore_errors=True)
        if is_kept:
            print(f"Logs and what is known: {folder}")
            print(f'To repeat it: make chaos CHAOS="--seconds {arguments.seconds:g} --seed {seed}"')
        else:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(not is_well)


def play(folder: Path, seed: str, seconds: float) -> bool:
    """Run in a folder, with settings that stand before anything of Django is imported."""
    port = free_port()
    for name in [name for name in os.environ if name.startswith(UNSET)]:
        del os.environ[name]
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "messaging_project.settings",
        "DATA_DIR": str(folder / "data"),
        "DATABASE_URL": "",
        "DEBUG": "off",
        "BIND": f"127.0.0.1:{port}",
        "BASE_URL": f"http://127.0.0.1:{port}",
        # High enough for nothing to wait, so that what is late is late by a fault.
        "MESSAGES_PER_MINUTE": "sms:10000,call:10000",
        "PYTHONUNBUFFERED": "1",
        "THROTTLE_TOKEN": "0",
        "THROTTLE_ADDRESS": "0",
    }
    import django

    django.setup()
    from tests.chaos.run import run

    return run(plan(seed, seconds), folder=folder, port=port)


if __name__ == "__main__":
    main()

from __future__ import annotations

import gc
import resource
import signal
import sys
from typing import Any

from django.core.management.base import BaseCommand

from alarms.sending.pump import Pump
from messaging_project import database


class Command(BaseCommand):
    help = "Send what is due. Any number of senders may run, on any number of machines."

    def handle(self, *args: Any, **options: Any) -> None:
        database.wait(seconds=3600, migrated=True)
        # A connection a message under way: the usual soft limit is too low for that.
        _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        # The thread that talks to the database is not to wait long for the one that talks to gateways.
        sys.setswitchinterval(0.0005)
        pump = Pump()
        # What is there now stays: it is not looked through for garbage again and again.
        gc.freeze()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: pump.stop())
        pump.run()

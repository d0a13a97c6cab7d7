"""What ends a sender's wait."""

from __future__ import annotations

import socket
import threading


class Waker:
    """Lets any thread end the main thread's wait."""

    def __init__(self) -> None:
        self.reader, self._writer = socket.socketpair()
        self.reader.setblocking(False)
        self._writer.setblocking(False)
        # Re-entrant, as a signal handler may wake the thread that is just clearing.
        self._lock = threading.RLock()
        self._set = False

    def wake(self) -> None:
        with self._lock:
            if not self._set:
                self._set = True
                self._writer.send(b"!")

    def close(self) -> None:
        self.reader.close()
        self._writer.close()

    def clear(self) -> None:
        with self._lock:
            if self._set:
                self._set = False
                self.reader.recv(1)

"""A wire between a browser and a server, which a test may cut."""

import contextlib
import socket
import threading
from collections.abc import Iterator

from testing.servers import free_port


class Wire:
    """It passes bytes on, both ways.

    `cut` ends what is connected and refuses what comes; `mend` lets it through again.
    """

    def __init__(self, port: int) -> None:
        self._behind = port
        self._listener: socket.socket | None = None
        self._ends: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def mend(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        threading.Thread(target=self._accept, args=[self._listener], daemon=True).start()

    def cut(self) -> None:
        assert self._listener is not None
        _close(self._listener)
        self.pull()

    def pull(self) -> None:
        """Close open connections; new ones get through."""
        with self._lock:
            ends = list(self._ends)
            self._ends.clear()
        for end in ends:
            _close(end)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
                far = socket.create_connection(("127.0.0.1", self._behind))
            except OSError:
                return
            with self._lock:
                self._ends |= {near, far}
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._pass, args=[source, target], daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while content := source.recv(65_536):
                target.sendall(content)
        for end in (source, target):
            _close(end)
            with self._lock:
                self._ends.discard(end)


def _close(end: socket.socket) -> None:
    """Close it, also for who waits for it in another thread."""
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


@contextlib.contextmanager
def wire_to(port: int) -> Iterator[Wire]:
    wire = Wire(port)
    wire.mend()
    try:
        yield wire
    finally:
        wire.cut()

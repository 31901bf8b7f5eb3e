"""A TCP proxy that reads along which tokens a model's server reports, in whatever form."""

import re
import socket
import threading
from types import TracebackType
from typing import Self

from testing.stack import answer_to

USAGE = re.compile(rb'"usage"\s*:\s*\{[^}]*\}')
COUNT = re.compile(rb'"(prompt|completion)_tokens"\s*:\s*([0-9]+)')


class Tap:
    """Connections pass through it unchanged; that one side closes, the other one hears."""

    def __init__(self, port: int) -> None:
        self._server_port = port
        self._door = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._door.getsockname()[1]}"
        self._heard: list[bytearray] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._door.close()

    def is_writing(self) -> bool:
        """Whether the model works on an answer."""
        slots = answer_to("GET", f"http://127.0.0.1:{self._server_port}/slots").json()
        return any(slot["is_processing"] for slot in slots)

    def heard(self) -> int:
        """The bytes of all that the server has sent so far."""
        return sum(map(len, self._heard))

    def tokens(self) -> dict[str, int]:
        """The sums of the prompt and completion tokens that the server has reported."""
        sums = {"prompt": 0, "completion": 0}
        for heard in self._heard:
            for usage in USAGE.findall(heard):
                for kind, count in COUNT.findall(usage):
                    sums[kind.decode()] += int(count)
        return sums

    def _serve(self) -> None:
        while True:
            try:
                caller, _ = self._door.accept()
            except OSError:  # closed
                return
            server = socket.create_connection(("127.0.0.1", self._server_port))
            heard = bytearray()
            self._heard.append(heard)
            for source, sink, record in ((caller, server, bytearray()), (server, caller, heard)):
                threading.Thread(target=_pass, args=(source, sink, record), daemon=True).start()


def _pass(source: socket.socket, sink: socket.socket, record: bytearray) -> None:
    try:
        while piece := source.recv(65536):
            record += piece
            sink.sendall(piece)
    except OSError:  # one side has closed
        pass
    for each in (source, sink):
        try:
            each.shutdown(socket.SHUT_RDWR)
        except OSError:  # already
            each.close()

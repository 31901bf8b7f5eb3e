"""The edge of the platform: one address for the api, wherever its deployment is by now."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from testing.waiting import HANG
from tests.railway.platform import Platform


@contextmanager
def edge(platform: Platform, service: str) -> Iterator[str]:
    """Its address, while the block runs."""

    class Connection(socketserver.BaseRequestHandler):
        request: socket.socket

        def handle(self) -> None:
            with socket.create_connection(
                ("127.0.0.1", platform.deployed(service)["port"]), timeout=HANG
            ) as behind:
                self.request.settimeout(HANG)
                answers = threading.Thread(
                    target=_pass_on, args=(behind, self.request), daemon=True
                )
                answers.start()
                _pass_on(self.request, behind)
                answers.join()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Connection) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=[0.02])
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):  # either side may hang up
        while data := source.recv(65_536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)

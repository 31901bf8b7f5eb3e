"""A Redis that also speaks TLS: by itself, or else behind a real TLS server of Python."""

import asyncio
import contextlib
import ssl
import subprocess
import threading
from functools import cache
from pathlib import Path

import trustme

from testing.servers import LOOPBACK, Redis, free_port, redis_server
from testing.waiting import HANG


@cache
def speaks_tls() -> bool:
    """Whether this Redis does; those inside wheels do not.

    Without a certificate no Redis starts so, and says which of the two it lacks.
    """
    result = subprocess.run(
        [redis_server(), "--port", "0", "--tls-port", "1"],
        capture_output=True,
        text=True,
        check=False,
    )
    return (
        "Failed finding TLS support" not in result.stdout and "Bad directive" not in result.stderr
    )


class TlsRedis(Redis):
    """Answers plainly at `port`, and in TLS at `tls_port`, with this certificate."""

    def __init__(self, folder: Path, certificate: trustme.LeafCert) -> None:
        super().__init__(folder)
        self.tls_port = free_port()
        self._key, self._chain = folder / "server.key", folder / "server.pem"
        certificate.private_key_pem.write_to_path(str(self._key))
        for number, part in enumerate(certificate.cert_chain_pems):
            part.write_to_path(str(self._chain), append=number > 0)
        self._door: Door | None = None

    def tls_url(self, host: str = LOOPBACK, password: str = "") -> str:
        return f"rediss://{f':{password}@' if password else ''}{host}:{self.tls_port}/0"

    def start(self) -> None:
        super().start()
        if not speaks_tls():
            self._door = Door(self.tls_port, self.port, self._chain, self._key)

    def _end(self, how: int) -> None:
        if self._door is not None:
            self._door.close()
            self._door = None
        super()._end(how)  # type: ignore[arg-type]

    def _command(self) -> list[str]:
        if not speaks_tls():
            return super()._command()
        files = [
            "--tls-cert-file",
            str(self._chain),
            "--tls-key-file",
            str(self._key),
            "--tls-ca-cert-file",
            str(self._chain),
        ]
        return [
            *super()._command(),
            "--tls-port",
            str(self.tls_port),
            *files,
            "--tls-auth-clients",
            "no",
        ]


class Door:
    """Ends TLS at a port and passes the data on to another, in a thread of its own."""

    def __init__(self, port: int, behind: int, chain: Path, key: Path) -> None:
        self._behind = behind
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(chain, key)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        opened = asyncio.start_server(self._serve, LOOPBACK, port, ssl=self._context)
        self._server = asyncio.run_coroutine_threadsafe(opened, self._loop).result(HANG)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._ended(), self._loop).result(HANG)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(HANG)
        self._loop.close()

    async def _ended(self) -> None:
        self._server.close()
        served = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in served:
            task.cancel()
        await asyncio.gather(*served, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(LOOPBACK, self._behind)
        ways = [
            asyncio.create_task(_pass(reader, far_writer)),
            asyncio.create_task(_pass(far_reader, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            for each in (writer, far_writer):
                each.transport.abort()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while content := await reader.read(65_536):
            writer.write(content)
            await writer.drain()

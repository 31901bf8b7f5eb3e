"""The process of the load generator: reads a plan from its input, and writes the load out."""

import asyncio
import json
import sys
from collections import deque
from dataclasses import asdict
from time import perf_counter, process_time

import uvloop

from benchmarks.figures import percentiles
from benchmarks.load import PATIENCE, Load, Plan
from benchmarks.load.client import Answers, Connection, endless

LAST_LOOK = 0.1  # seconds for what a server has ended before to be noticed


class Generator:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.requests = endless(list(plan.requests))
        loop = asyncio.get_running_loop()
        self.failed: asyncio.Future[None] = loop.create_future()
        loop.set_exception_handler(
            lambda _, context: self._fail(repr(context.get("exception") or context["message"]))
        )

    async def run(self) -> Load:
        began = perf_counter() + 0.05
        self.answers = Answers(
            began + self.plan.warm_up, began + self.plan.warm_up + self.plan.seconds
        )
        self.connections = await self._connect()
        cpu, at = process_time(), perf_counter()
        await self._first(
            self._closed() if self.plan.rate is None else self._open(began, self.plan.rate)
        )
        cpu = (process_time() - cpu) / (perf_counter() - at)
        for connection in self.connections:
            connection.close()
        self._check()
        answers = self.answers
        late = percentiles(answers.late)["p99"] if answers.late else 0.0
        rate = answers.in_time / self.plan.seconds
        return Load(sum(answers.statuses.values()), rate, percentiles(answers.latencies), cpu, late)

    async def _connect(self) -> list[Connection]:
        loop = asyncio.get_running_loop()
        self.free: deque[Connection] = deque()
        self.behind: deque[float] = deque()  # times of requests for which no connection was free
        made = []
        for _ in range(self.plan.connections):
            _, connection = await loop.create_connection(
                lambda: Connection(self.answers, self._answered, self._fail),
                "127.0.0.1",
                self.plan.port,
            )
            made.append(connection)
        return made

    async def _first(self, load: "asyncio.Future[None]") -> None:
        """Until the load has ended, or something went wrong, or answers stay away."""
        limit = self.plan.warm_up + self.plan.seconds + PATIENCE
        done, _ = await asyncio.wait(
            (load, self.failed), timeout=limit, return_when=asyncio.FIRST_COMPLETED
        )
        if not done:
            waiting = sum(connection.waits for connection in self.connections)
            raise SystemExit(
                f"no answer to {waiting} requests within {PATIENCE:g} s after the end of the load"
            )
        for each in done:
            each.result()

    def _closed(self) -> "asyncio.Future[None]":
        self.ended = asyncio.get_running_loop().create_future()
        self.active = len(self.connections)
        for connection in self.connections:
            connection.send(next(self.requests), perf_counter())
        return self.ended

    def _open(self, began: float, rate: float) -> "asyncio.Future[None]":
        """Requests are due at their own times, and sent as soon as there is a connection."""
        loop = asyncio.get_running_loop()
        self.ended = loop.create_future()
        self.active = round(
            (self.plan.warm_up + self.plan.seconds) * rate
        )  # requests without an answer
        self.free.extend(self.connections)
        offset = loop.time() - perf_counter()
        for number in range(self.active):
            due = began + number / rate
            loop.call_at(due + offset, self._send_due, due)
        return self.ended

    def _send_due(self, due: float) -> None:
        if self.free:
            self.answers.late.append((perf_counter() - due) * 1000)
            self.free.popleft().send(next(self.requests), due)
        else:
            self.behind.append(due)

    def _answered(self, connection: Connection) -> None:
        if self.plan.rate is not None:
            self.active -= 1
            if self.behind:
                connection.send(next(self.requests), self.behind.popleft())
            else:
                self.free.append(connection)
        elif (now := perf_counter()) < self.answers.end:
            connection.send(next(self.requests), now)
        else:
            self.active -= 1
        if not self.active and not self.ended.done():
            self.ended.set_result(None)

    def _fail(self, why: str) -> None:
        if not self.failed.done():
            self.failed.set_exception(SystemExit(why))

    def _check(self) -> None:
        other = {
            status.decode(): count
            for status, count in self.answers.statuses.items()
            if int(status) != self.plan.expected
        }
        if other:
            body = self.answers.first_body.decode(errors="replace")
            raise SystemExit(
                f"expected {self.plan.expected}, but there were answers {other}: {body}"
            )
        if not self.answers.latencies:
            raise SystemExit("no request was answered")


async def hold(port: int, requests: list[str]) -> None:
    """Opens all, says how many answer with 200, and at the end of the input how many are open."""
    streams = [await asyncio.open_connection("127.0.0.1", port) for _ in requests]
    for (_, writer), request in zip(streams, requests, strict=True):
        writer.write(request.encode())
    heads = [
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE) for reader, _ in streams
    ]
    print(sum(head.startswith(b"HTTP/1.1 200") for head in heads), flush=True)
    drains = [
        asyncio.create_task(reader.read(-1)) for reader, _ in streams
    ]  # ends when the server ends the stream
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    _, still = await asyncio.wait(drains, timeout=LAST_LOOK)
    print(len(still), flush=True)
    for _, writer in streams:
        writer.close()


def main() -> None:
    if "--hold" in sys.argv:
        uvloop.run(hold(**json.loads(sys.stdin.readline())))
        return
    plan = Plan(**json.loads(sys.stdin.read()))

    async def run() -> Load:
        return await Generator(plan).run()

    print(json.dumps(asdict(uvloop.run(run()))))


if __name__ == "__main__":
    main()

"""Redis: a message moves from a ready lane to its consumer's held list, and leaves it when its task has run.

Every move is one Lua script, so a kill between two steps cannot lose a message. The scripts that consumers need are
flagged allow-oom: a full server under `noeviction` can still be drained. The wake list carries no messages, only
hints that spare idle consumers from polling: losing one costs a poll interval, nothing else.
"""

import threading
import time
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import redis
from huey.storage import RedisStorage

from delivery.storage import MAX_DELIVERIES, Claim, DeadLetter

HIGH, NORMAL = b"1", b"0"  # two lanes are enough: outlines overtake contents
WAKE_HINTS = 64  # more idle consumers than this are woken by their poll interval
DEAD_LETTERS_KEPT = 10_000
SHORTEST_TURN = 2.0  # seconds that a claim without a wait still gives the thread before it

ENQUEUE = """#!lua
for i = 2, #ARGV, 2 do redis.call('LPUSH', KEYS[1] .. ARGV[i], ARGV[i + 1]) end
local hints = math.min((#ARGV - 1) / 2, tonumber(ARGV[1]) - redis.call('LLEN', KEYS[2]))
for _ = 1, hints do redis.call('LPUSH', KEYS[2], '1') end
return 1"""

ENQUEUE_ONCE = """#!lua
if not redis.call('SET', KEYS[3], '1', 'NX', 'EX', ARGV[1]) then return 0 end
redis.call('LPUSH', KEYS[1] .. ARGV[2], ARGV[3])
if redis.call('LLEN', KEYS[2]) < 64 then redis.call('LPUSH', KEYS[2], '1') end
return 1"""

CLAIM = """#!lua flags=allow-oom
for _, lane in ipairs({'1', '0'}) do
  local message = redis.call('RPOP', KEYS[1] .. lane)
  if message then
    redis.call('LPUSH', KEYS[2], lane .. message)
    redis.call('SADD', KEYS[3], ARGV[1])
    return lane .. message
  end
end
return false"""

ACKNOWLEDGE = """#!lua flags=allow-oom
redis.call('LREM', KEYS[1], 1, ARGV[1])
if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('HDEL', KEYS[2], redis.sha1hex(ARGV[1])) end
return 1"""

RELEASE = """#!lua flags=allow-oom
if redis.call('LREM', KEYS[1], 1, ARGV[1]) == 0 then return 0 end
redis.call('RPUSH', KEYS[2] .. string.sub(ARGV[1], 1, 1), string.sub(ARGV[1], 2))
redis.call('LPUSH', KEYS[3], '1')
return 1"""

BURY = """#!lua flags=allow-oom
if redis.call('LREM', KEYS[1], 1, ARGV[1]) == 0 then return 0 end
redis.call('HDEL', KEYS[2], redis.sha1hex(ARGV[1]))
redis.call('LPUSH', KEYS[3], ARGV[2] .. '\\n' .. string.sub(ARGV[1], 2))
redis.call('LTRIM', KEYS[3], 0, tonumber(ARGV[3]) - 1)
return 1"""

BEAT = """#!lua flags=allow-oom
redis.call('SADD', KEYS[1], ARGV[1])
redis.call('SET', KEYS[2], '1', 'PX', ARGV[2])
return 1"""

# ARGV: key prefix, highest number of deliveries, reason, dead letters kept, consumer to sign off ('' = the silent ones)
RECOVER = """#!lua flags=allow-oom
local prefix, returned = ARGV[1], 0
local consumers = ARGV[5] ~= '' and {ARGV[5]} or redis.call('SMEMBERS', prefix .. 'consumers')
for _, consumer in ipairs(consumers) do
  if ARGV[5] ~= '' or redis.call('EXISTS', prefix .. 'alive:' .. consumer) == 0 then
    local held = prefix .. 'held:' .. consumer
    local message = redis.call('LPOP', held)
    while message do
      local count = ARGV[5] ~= '' and 0 or redis.call('HINCRBY', prefix .. 'deliveries', redis.sha1hex(message), 1)
      if count >= tonumber(ARGV[2]) then
        redis.call('HDEL', prefix .. 'deliveries', redis.sha1hex(message))
        redis.call('LPUSH', prefix .. 'dead', ARGV[3] .. '\\n' .. string.sub(message, 2))
        redis.call('LTRIM', prefix .. 'dead', 0, tonumber(ARGV[4]) - 1)
      else
        redis.call('RPUSH', prefix .. 'ready:' .. string.sub(message, 1, 1), string.sub(message, 2))
        if redis.call('LLEN', prefix .. 'wake') < 64 then redis.call('LPUSH', prefix .. 'wake', '1') end
      end
      returned = returned + 1
      message = redis.call('LPOP', held)
    end
    redis.call('SREM', prefix .. 'consumers', consumer)
    redis.call('DEL', prefix .. 'alive:' .. consumer)
  end
end
return returned"""

SCHEDULE_DUE = """#!lua flags=allow-oom
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, 500)
for _, entry in ipairs(due) do
  redis.call('LPUSH', KEYS[2] .. string.sub(entry, 1, 1), string.sub(entry, 2))
  if redis.call('LLEN', KEYS[3]) < 64 then redis.call('LPUSH', KEYS[3], '1') end
  redis.call('ZREM', KEYS[1], entry)
end
return #due"""


class ReliableRedisStorage(RedisStorage):
    """Huey's Redis storage with held messages instead of removed ones. One instance is one consumer."""

    priority = True
    faults = (redis.RedisError, OSError)

    def __init__(self, name: str, *, url: str, socket_timeout: float = 2.0, poll_seconds: float = 5.0) -> None:
        pool = redis.ConnectionPool.from_url(
            url, socket_timeout=max(socket_timeout, 0.1), socket_connect_timeout=socket_timeout, health_check_interval=30
        )
        super().__init__(name, blocking=True, connection_pool=pool)
        # The blocking wait needs a connection whose read limit is longer than the wait itself.
        waiting_pool = redis.ConnectionPool.from_url(
            url, socket_timeout=poll_seconds + socket_timeout, socket_connect_timeout=socket_timeout, max_connections=4
        )
        self._waiting = redis.Redis(connection_pool=waiting_pool)
        self.consumer = uuid.uuid4().hex
        self._poll_seconds = poll_seconds
        self._turn = threading.Lock()  # one thread waits on the server for all threads of this consumer
        self._prefix = f"{{huey.{self.name}}}:"  # the braces keep all keys on one node of a cluster
        self.queue_key = self._prefix + "ready:"
        self.schedule_key = self._prefix + "schedule"
        self._wake_key = self._prefix + "wake"
        self._own_wake_key = self._prefix + "wake:" + self.consumer
        self._held_key = self._prefix + "held:" + self.consumer
        self._consumers_key = self._prefix + "consumers"
        self._dead_key = self._prefix + "dead"
        self._deliveries_key = self._prefix + "deliveries"
        script = self.conn.register_script
        self._enqueue, self._enqueue_once, self._claim = script(ENQUEUE), script(ENQUEUE_ONCE), script(CLAIM)
        self._acknowledge, self._release, self._bury = script(ACKNOWLEDGE), script(RELEASE), script(BURY)
        self._beat, self._recover, self._schedule_due = script(BEAT), script(RECOVER), script(SCHEDULE_DUE)

    # Producing

    def enqueue(self, data: bytes, priority: int | None = None) -> None:
        self.enqueue_many([(data, priority or 0)])

    def enqueue_many(self, messages: Iterable[tuple[bytes, int]]) -> None:
        arguments: list[Any] = [WAKE_HINTS]
        for data, priority in messages:
            arguments += [_lane(priority), data]
        if len(arguments) > 1:
            self._enqueue(keys=[self.queue_key, self._wake_key], args=arguments)

    def enqueue_once(self, key: str, data: bytes, seconds: int) -> bool:
        once = f"{self._prefix}once:{key}"
        keys = [self.queue_key, self._wake_key, once]
        return bool(self._enqueue_once(keys=keys, args=[seconds, NORMAL, data]))

    # Consuming

    def claim(self, timeout: float) -> Claim | None:
        deadline = time.monotonic() + timeout
        if not self._turn.acquire(timeout=max(timeout, SHORTEST_TURN)):
            return None
        try:
            claim = self._claim_ready()
            wait = min(deadline - time.monotonic(), self._poll_seconds)
            if claim is None and wait > 0 and self._waiting.blpop([self._own_wake_key, self._wake_key], timeout=wait):
                claim = self._claim_ready()
            return claim
        finally:
            self._turn.release()

    def _claim_ready(self) -> Claim | None:
        held = self._claim(keys=[self.queue_key, self._held_key, self._consumers_key], args=[self.consumer])
        return None if held is None else Claim(data=held[1:], receipt=held)

    def acknowledge(self, claim: Claim) -> None:
        self._acknowledge(keys=[self._held_key, self._deliveries_key], args=[claim.receipt])

    def release(self, claim: Claim) -> None:
        self._release(keys=[self._held_key, self.queue_key, self._wake_key], args=[claim.receipt])

    def bury(self, claim: Claim, reason: str) -> None:
        keys = [self._held_key, self._deliveries_key, self._dead_key]
        self._bury(keys=keys, args=[claim.receipt, _one_line(reason), DEAD_LETTERS_KEPT])

    def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        entries: Any = self.conn.lrange(self._dead_key, 0, limit - 1)
        return [DeadLetter(data=data, reason=reason.decode()) for reason, _, data in (e.partition(b"\n") for e in entries)]

    def dead_count(self) -> int:
        return int(self.conn.llen(self._dead_key))

    # Living and dying

    def beat(self, ttl: float) -> None:
        keys = [self._consumers_key, self._prefix + "alive:" + self.consumer]
        self._beat(keys=keys, args=[self.consumer, int(ttl * 1000)])

    def recover(self) -> int:
        return self._return_held(consumer="")

    def release_all(self) -> int:
        return self._return_held(consumer=self.consumer)

    def _return_held(self, consumer: str) -> int:
        reason = f"its consumer died {MAX_DELIVERIES} times while running it"
        arguments = [self._prefix, MAX_DELIVERIES, reason, DEAD_LETTERS_KEPT, consumer]
        return int(self._recover(keys=[self._wake_key], args=arguments))

    def own_receipts(self) -> list[Any]:
        return list(self.conn.lrange(self._held_key, 0, -1))

    def wake(self) -> None:
        self.conn.lpush(self._own_wake_key, b"1")
        self.conn.expire(self._own_wake_key, 60)

    # Counting

    def queue_size(self) -> int:
        return sum(int(self.conn.llen(self.queue_key + lane.decode())) for lane in (HIGH, NORMAL))

    def held_count(self) -> int:
        consumers: Any = self.conn.smembers(self._consumers_key)
        return sum(int(self.conn.llen(f"{self._prefix}held:{consumer.decode()}")) for consumer in consumers)

    def enqueued_items(self, limit: int | None = None) -> list[bytes]:
        items: list[bytes] = []
        for lane in (HIGH, NORMAL):
            first = 0 if limit is None else -limit
            items += self.conn.lrange(self.queue_key + lane.decode(), first, -1)[::-1]
        return items[:limit] if limit else items

    def flush_queue(self) -> None:
        self.conn.delete(*[self.queue_key + lane.decode() for lane in (HIGH, NORMAL)])

    # Scheduling

    def add_to_schedule(self, data: bytes, ts: datetime, priority: int | None = None) -> None:
        self.conn.zadd(self.schedule_key, {_lane(priority or 0) + data: _epoch(ts)})

    def read_schedule(self, ts: datetime) -> list[bytes]:
        """Move what is due to its lane in one step; nothing passes through the caller, so nothing can be lost there."""
        while self._schedule_due(keys=[self.schedule_key, self.queue_key, self._wake_key], args=[_epoch(ts)]) == 500:
            continue
        return []

    def scheduled_items(self, limit: int | None = None) -> list[bytes]:
        return [entry[1:] for entry in super().scheduled_items(limit)]


def _lane(priority: int) -> bytes:
    return HIGH if priority > 0 else NORMAL


def _epoch(moment: datetime) -> float:
    """Seconds since 1970; Huey's own times are UTC without a zone."""
    return moment.replace(tzinfo=UTC).timestamp()


def _one_line(text: str) -> str:
    return " ".join(text.split())[:500]

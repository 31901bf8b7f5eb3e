"""Lua scripts: one for each move of a message in Redis.

Since each move is one step, a kill between two of them cannot lose a message. KEYS[1] is the
queue's prefix. An entry is its lane ('1' overtakes '0') followed by the message. The wake list
carries no messages, only hints that spare idle consumers from polling: losing one costs a poll
interval, nothing else.
"""

COMMON = """
local prefix = KEYS[1]

local function hint()
  if redis.call('LLEN', prefix .. 'wake') < 64 then redis.call('LPUSH', prefix .. 'wake', '1') end
end

local function make_ready(side, entry) -- LPUSH: behind the others of its lane; RPUSH: before them
  local lane = string.sub(entry, 1, 1) == '1' and '1' or '0' -- foreign entries may have no lane
  redis.call(side, prefix .. 'ready:' .. lane, entry)
  hint()
end

local function ready_since(entry, when) -- without it, since the message was sent, as it says itself
  redis.call('HSET', prefix .. 'due', redis.sha1hex(entry), when)
end

local function make_due_ready(now)
  local due = redis.call(
    'ZRANGEBYSCORE', prefix .. 'schedule', '-inf', now, 'WITHSCORES', 'LIMIT', 0, 500)
  for i = 1, #due, 2 do
    make_ready('LPUSH', due[i])
    ready_since(due[i], due[i + 1])
    redis.call('ZREM', prefix .. 'schedule', due[i])
  end
end

local function schedule(due, entry)
  redis.call('ZADD', prefix .. 'schedule', due, entry)
  -- Waiting consumers would wait too long for a new first one.
  if redis.call('ZRANK', prefix .. 'schedule', entry) == 0 then hint() end
end

local function forget(entry) -- delete the notes beside the lists, which are rare
  if redis.call('EXISTS', prefix .. 'deliveries', prefix .. 'due') > 0 then
    local id = redis.sha1hex(entry)
    redis.call('HDEL', prefix .. 'deliveries', id)
    redis.call('HDEL', prefix .. 'due', id)
  end
end

local function waiting(answer, entry)
  answer[#answer + 1] = entry
  answer[#answer + 1] = redis.call('HGET', prefix .. 'due', redis.sha1hex(entry)) or ''
end

local function held_by_all()
  local held = 0
  for _, consumer in ipairs(redis.call('SMEMBERS', prefix .. 'consumers')) do
    held = held + redis.call('LLEN', prefix .. 'held:' .. consumer)
  end
  return held
end

local function acknowledge(consumer, first)
  for i = first, #ARGV do
    -- Unless another consumer has it by now, whose deaths are still counted
    if redis.call('LREM', prefix .. 'held:' .. consumer, 1, ARGV[i]) == 1 then
      forget(ARGV[i])
    end
  end
end

local function dead_letter(entry, reason, now, kept)
  forget(entry)
  local id = string.sub(redis.sha1hex(entry), 1, 16)
  redis.call('LPUSH', prefix .. 'dead', id .. '\\n' .. now .. '\\n' .. reason .. '\\n' .. entry)
  redis.call('LTRIM', prefix .. 'dead', 0, tonumber(kept) - 1)
end

local function put_back(consumer, died, most, reason, now, kept)
  local held, moved = prefix .. 'held:' .. consumer, 0
  local entry = redis.call('LPOP', held)
  while entry do
    local id = redis.sha1hex(entry)
    if died and redis.call('HINCRBY', prefix .. 'deliveries', id, 1) >= tonumber(most) then
      dead_letter(entry, reason, now, kept)
    else
      make_ready('RPUSH', entry)
    end
    moved = moved + 1
    entry = redis.call('LPOP', held)
  end
  redis.call('SREM', prefix .. 'consumers', consumer)
  redis.call('DEL', prefix .. 'alive:' .. consumer)
  return moved
end
"""


def _producer(body: str) -> str:
    return "#!lua\n" + COMMON + body


def _consumer(body: str) -> str:
    """Return a script that runs on a server without memory: it drains queues."""
    return "#!lua flags=allow-oom\n" + COMMON + body


ENQUEUE = _producer("""
-- ARGV: entries
for _, entry in ipairs(ARGV) do make_ready('LPUSH', entry) end
return 1""")

ENQUEUE_ONCE = _producer("""
-- ARGV: key, seconds, entry
if not redis.call('SET', prefix .. 'once:' .. ARGV[1], '1', 'NX', 'EX', ARGV[2]) then return 0 end
make_ready('LPUSH', ARGV[3])
return 1""")

CLAIM = _consumer("""
-- ARGV: consumer, now, number wanted, entries that are done. Returns entries and, when they are
-- fewer, the time when the next one is due
acknowledge(ARGV[1], 4)
if redis.call('EXISTS', prefix .. 'paused') == 1 then return {{}} end
make_due_ready(ARGV[2])
local held, wanted, found = prefix .. 'held:' .. ARGV[1], tonumber(ARGV[3]), {}
for _, lane in ipairs({'1', '0'}) do
  local ready = prefix .. 'ready:' .. lane
  local entry = #found < wanted and redis.call('LMOVE', ready, held, 'RIGHT', 'LEFT')
  while entry do
    found[#found + 1] = entry
    entry = #found < wanted and redis.call('LMOVE', ready, held, 'RIGHT', 'LEFT')
  end
end
if #found > 0 and redis.call('LLEN', held) == #found then
  redis.call('SADD', prefix .. 'consumers', ARGV[1])
end
if #found == wanted then return {found} end
redis.call('DEL', prefix .. 'wake') -- it hints at nothing
local first = redis.call('ZRANGE', prefix .. 'schedule', 0, 0, 'WITHSCORES')
return {found, first[2] or false}""")

ACKNOWLEDGE = _consumer("""
-- ARGV: consumer, entries
acknowledge(ARGV[1], 2)
return 1""")

RELEASE = _consumer("""
-- ARGV: consumer, entry
if redis.call('LREM', prefix .. 'held:' .. ARGV[1], 1, ARGV[2]) == 1 then
  make_ready('RPUSH', ARGV[2])
end
return 1""")

SNOOZE = _consumer("""
-- ARGV: consumer, entry, until
if redis.call('LREM', prefix .. 'held:' .. ARGV[1], 1, ARGV[2]) == 1 then
  schedule(ARGV[3], ARGV[2])
end
return 1""")

DEAD_LETTER = _consumer("""
-- ARGV: consumer, entry, reason, now, dead letters kept
if redis.call('LREM', prefix .. 'held:' .. ARGV[1], 1, ARGV[2]) == 1 then
  dead_letter(ARGV[2], ARGV[3], ARGV[4], ARGV[5])
end
return 1""")

HEARTBEAT = _consumer("""
-- ARGV: consumer, ttl in ms, time of sending or '' if it may not judge, most deliveries, reason,
-- now, dead letters kept, info about the consumer. A heartbeat that was delayed on its way judges
-- none: those of the others were delayed as well.
local time = redis.call('TIME')
local clock = tonumber(time[1]) + tonumber(time[2]) / 1000000
redis.call('SADD', prefix .. 'consumers', ARGV[1])
redis.call('SET', prefix .. 'alive:' .. ARGV[1], ARGV[8], 'PX', ARGV[2])
local moved = 0
if ARGV[3] ~= '' and clock - tonumber(ARGV[3]) < tonumber(ARGV[2]) / 2000 then
  for _, consumer in ipairs(redis.call('SMEMBERS', prefix .. 'consumers')) do
    if redis.call('EXISTS', prefix .. 'alive:' .. consumer) == 0 then
      moved = moved + put_back(consumer, true, ARGV[4], ARGV[5], ARGV[6], ARGV[7])
    end
  end
end
local ready = redis.call('LLEN', prefix .. 'ready:1') + redis.call('LLEN', prefix .. 'ready:0')
if ready == 0 and redis.call('EXISTS', prefix .. 'due') == 1 and held_by_all() == 0 then
  redis.call('DEL', prefix .. 'due') -- entries of consumers of the version before
end
return {moved, tostring(clock), redis.call('LRANGE', prefix .. 'held:' .. ARGV[1], 0, -1)}""")

RELEASE_ALL = _consumer("""
-- ARGV: consumer
return put_back(ARGV[1], false)""")

SCHEDULE = _consumer("""
-- ARGV: due time, entry. A retry replaces its message, so it needs no memory
schedule(ARGV[1], ARGV[2])
return 1""")

PAUSE = _consumer("""
redis.call('SET', prefix .. 'paused', '1')
return 1""")

RESUME = _consumer("""
if redis.call('DEL', prefix .. 'paused') == 0 then return 0 end
local ready = redis.call('LLEN', prefix .. 'ready:1') + redis.call('LLEN', prefix .. 'ready:0')
for _ = 0, math.min(ready, 64) do hint() end -- one at least: something may be due
return 1""")

STATS = _consumer("""
-- ARGV: now. Returns counts of ready, held, scheduled, dead, then consumers, whether it is paused,
-- and the next of each lane and since when it is ready, and when the first scheduled one was due
local alive, first = 0, {}
for _, consumer in ipairs(redis.call('SMEMBERS', prefix .. 'consumers')) do
  alive = alive + redis.call('EXISTS', prefix .. 'alive:' .. consumer)
end
for _, lane in ipairs({'1', '0'}) do
  local entry = redis.call('LINDEX', prefix .. 'ready:' .. lane, -1)
  if entry then waiting(first, entry) end
end
local due = redis.call('ZRANGE', prefix .. 'schedule', 0, 0, 'WITHSCORES')[2]
if due and tonumber(due) <= tonumber(ARGV[1]) then
  first[#first + 1] = ''
  first[#first + 1] = due
end
local ready = redis.call('LLEN', prefix .. 'ready:1') + redis.call('LLEN', prefix .. 'ready:0')
local scheduled = redis.call('ZCARD', prefix .. 'schedule')
local dead = redis.call('LLEN', prefix .. 'dead')
local counts = {ready, held_by_all(), scheduled, dead}
return {counts, alive, redis.call('EXISTS', prefix .. 'paused'), first}""")

CONSUMERS = _consumer("""
-- ARGV: most messages of each. Returns id, info, ms for which it is still alive, messages
local answer = {}
for _, consumer in ipairs(redis.call('SMEMBERS', prefix .. 'consumers')) do
  local alive = prefix .. 'alive:' .. consumer
  local info, left = redis.call('GET', alive), redis.call('PTTL', alive)
  local held = redis.call('LRANGE', prefix .. 'held:' .. consumer, 0, ARGV[1] - 1)
  if info or #held > 0 then answer[#answer + 1] = {consumer, info or '', left, held} end
end
return answer""")

READY = _consumer("""
-- ARGV: first place, count. Returns entries and since when each is ready
local skip, left, answer = tonumber(ARGV[1]), tonumber(ARGV[2]), {}
for _, lane in ipairs({'1', '0'}) do
  if left > 0 then
    local entries = redis.call('LRANGE', prefix .. 'ready:' .. lane, -skip - left, -skip - 1)
    for i = #entries, 1, -1 do waiting(answer, entries[i]) end
    left = left - #entries
    skip = math.max(0, skip - redis.call('LLEN', prefix .. 'ready:' .. lane))
  end
end
return answer""")

REMOVE = _consumer("""
-- ARGV: a message without its lane
for _, lane in ipairs({'1', '0'}) do
  local entry = lane .. ARGV[1]
  local removed = redis.call('LREM', prefix .. 'ready:' .. lane, -1, entry)
  if removed + redis.call('ZREM', prefix .. 'schedule', entry) > 0 then
    forget(entry)
    return 1
  end
end
return 0""")

WAKE = _consumer("""
-- ARGV: consumer
redis.call('LPUSH', prefix .. 'wake:' .. ARGV[1], '1')
redis.call('EXPIRE', prefix .. 'wake:' .. ARGV[1], 60)
return 1""")

TAKE_DEAD = _consumer("""
-- ARGV: now to make them ready again, or '', ids of dead letters. Reads from the oldest, in parts
local wanted, found, last = {}, {}, -1
for i = 2, #ARGV do wanted[ARGV[i]] = (wanted[ARGV[i]] or 0) + 1 end
while #found < #ARGV - 1 do
  local part = redis.call('LRANGE', prefix .. 'dead', last - 499, last)
  if #part == 0 then break end
  for i = #part, 1, -1 do
    local id = string.match(part[i], '^[^\\n]*')
    if (wanted[id] or 0) > 0 then
      wanted[id] = wanted[id] - 1
      found[#found + 1] = part[i]
    end
  end
  last = last - 500
end
for _, letter in ipairs(found) do
  redis.call('LREM', prefix .. 'dead', -1, letter)
  if ARGV[1] ~= '' then
    local entry = string.match(letter, '^[^\\n]*\\n[^\\n]*\\n[^\\n]*\\n(.*)$')
    make_ready('LPUSH', entry)
    ready_since(entry, ARGV[1])
  end
end
return #found""")

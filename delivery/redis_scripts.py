"""Every move of a message in Redis, as one Lua script each: a kill between two steps cannot lose a message.

KEYS[1] is the queue's prefix. An entry is its lane ('1' overtakes '0') followed by the message. The wake list carries
no messages, only hints that spare idle consumers from polling: losing one costs a poll interval, nothing else.
"""

COMMON = """
local prefix = KEYS[1]

local function hint()
  if redis.call('LLEN', prefix .. 'wake') < 64 then redis.call('LPUSH', prefix .. 'wake', '1') end
end

local function make_ready(side, entry) -- LPUSH: behind the others of its lane; RPUSH: before them
  local lane = string.sub(entry, 1, 1) == '1' and '1' or '0' -- also of an entry that somebody else has put here
  redis.call(side, prefix .. 'ready:' .. lane, entry)
  hint()
end

local function make_due_ready(now)
  local due = redis.call('ZRANGEBYSCORE', prefix .. 'schedule', '-inf', now, 'LIMIT', 0, 500)
  for _, entry in ipairs(due) do
    make_ready('LPUSH', entry)
    redis.call('ZREM', prefix .. 'schedule', entry)
  end
  return #due
end

local function schedule(due, entry)
  redis.call('ZADD', prefix .. 'schedule', due, entry)
  if redis.call('ZRANK', prefix .. 'schedule', entry) == 0 then hint() end -- those who wait would wait too long
end

local function forget_deliveries(entry)
  if redis.call('EXISTS', prefix .. 'deliveries') == 1 then
    redis.call('HDEL', prefix .. 'deliveries', redis.sha1hex(entry))
  end
end

local function acknowledge(consumer, first)
  for i = first, #ARGV do
    if redis.call('LREM', prefix .. 'held:' .. consumer, 1, ARGV[i]) == 1 then -- else it is another's by now, who may die of it
      forget_deliveries(ARGV[i])
    end
  end
end

local function put_aside(entry, reason, now, kept)
  forget_deliveries(entry)
  local id = string.sub(redis.sha1hex(entry), 1, 16)
  redis.call('LPUSH', prefix .. 'dead', id .. '\\n' .. now .. '\\n' .. reason .. '\\n' .. entry)
  redis.call('LTRIM', prefix .. 'dead', 0, tonumber(kept) - 1)
end

local function put_back(consumer, died, most, reason, now, kept)
  local held, moved = prefix .. 'held:' .. consumer, 0
  local entry = redis.call('LPOP', held)
  while entry do
    if died and redis.call('HINCRBY', prefix .. 'deliveries', redis.sha1hex(entry), 1) >= tonumber(most) then
      put_aside(entry, reason, now, kept)
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
    """Allowed on a server without memory, so that what producers may no longer fill can still be drained."""
    return "#!lua flags=allow-oom\n" + COMMON + body


ENQUEUE = _producer("""-- ARGV: entries
for _, entry in ipairs(ARGV) do make_ready('LPUSH', entry) end
return 1""")

ENQUEUE_ONCE = _producer("""-- ARGV: key, seconds, entry
if not redis.call('SET', prefix .. 'once:' .. ARGV[1], '1', 'NX', 'EX', ARGV[2]) then return 0 end
make_ready('LPUSH', ARGV[3])
return 1""")

CLAIM = _consumer("""-- ARGV: consumer, now, entries that are done. Returns an entry, or false and when the next one is due
acknowledge(ARGV[1], 3)
make_due_ready(ARGV[2])
local held = prefix .. 'held:' .. ARGV[1]
for _, lane in ipairs({'1', '0'}) do
  local entry = redis.call('LMOVE', prefix .. 'ready:' .. lane, held, 'RIGHT', 'LEFT')
  if entry then
    if redis.call('LLEN', held) == 1 then redis.call('SADD', prefix .. 'consumers', ARGV[1]) end
    return {entry}
  end
end
redis.call('DEL', prefix .. 'wake') -- it hints at nothing
local first = redis.call('ZRANGE', prefix .. 'schedule', 0, 0, 'WITHSCORES')
return {false, first[2] or false}""")

ACKNOWLEDGE = _consumer("""-- ARGV: consumer, entries
acknowledge(ARGV[1], 2)
return 1""")

RELEASE = _consumer("""-- ARGV: consumer, entry
if redis.call('LREM', prefix .. 'held:' .. ARGV[1], 1, ARGV[2]) == 1 then make_ready('RPUSH', ARGV[2]) end
return 1""")

POSTPONE = _consumer("""-- ARGV: consumer, entry, until
if redis.call('LREM', prefix .. 'held:' .. ARGV[1], 1, ARGV[2]) == 1 then schedule(ARGV[3], ARGV[2]) end
return 1""")

BURY = _consumer("""-- ARGV: consumer, entry, reason, now, dead letters kept
if redis.call('LREM', prefix .. 'held:' .. ARGV[1], 1, ARGV[2]) == 1 then put_aside(ARGV[2], ARGV[3], ARGV[4], ARGV[5]) end
return 1""")

BEAT = _consumer("""-- ARGV: consumer, ttl in ms, when it was sent or '' if it may not judge, most deliveries, reason, now,
-- dead letters kept. A beat that was held up on its way judges nobody: those of the others were held up as well.
local time = redis.call('TIME')
local clock = tonumber(time[1]) + tonumber(time[2]) / 1000000
redis.call('SADD', prefix .. 'consumers', ARGV[1])
redis.call('SET', prefix .. 'alive:' .. ARGV[1], '1', 'PX', ARGV[2])
local moved = 0
if ARGV[3] ~= '' and clock - tonumber(ARGV[3]) < tonumber(ARGV[2]) / 2000 then
  for _, consumer in ipairs(redis.call('SMEMBERS', prefix .. 'consumers')) do
    if redis.call('EXISTS', prefix .. 'alive:' .. consumer) == 0 then
      moved = moved + put_back(consumer, true, ARGV[4], ARGV[5], ARGV[6], ARGV[7])
    end
  end
end
return {moved, tostring(clock), redis.call('LRANGE', prefix .. 'held:' .. ARGV[1], 0, -1)}""")

RELEASE_ALL = _consumer("""-- ARGV: consumer
return put_back(ARGV[1], false)""")

SCHEDULE = _consumer("""-- ARGV: when it is due, entry. A retry takes the place of the message that it was, so it needs no room
schedule(ARGV[1], ARGV[2])
return 1""")

READ_SCHEDULE = _consumer("""-- ARGV: now
return make_due_ready(ARGV[1])""")

WAKE = _consumer("""-- ARGV: consumer
redis.call('LPUSH', prefix .. 'wake:' .. ARGV[1], '1')
redis.call('EXPIRE', prefix .. 'wake:' .. ARGV[1], 60)
return 1""")

TAKE_DEAD = _consumer("""-- ARGV: '1' to make them ready again, ids of dead letters. Looks from the oldest on, a part at a time
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
  if ARGV[1] == '1' then make_ready('LPUSH', string.match(letter, '^[^\\n]*\\n[^\\n]*\\n[^\\n]*\\n(.*)$')) end
end
return #found""")

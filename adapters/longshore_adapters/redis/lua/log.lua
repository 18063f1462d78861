-- What scripts about rows share; behind queue.lua. A row is a head of fixed width, which wire.py
-- writes and reads too, and behind it: queue, claim id, worker, tail, spec, result, report.
-- Places in the head, from 1: version 1, number 5, state 13, flags 14, token 15, run 19, attempts
-- 23, rescues 27, audits 31, wake number 35, due 39, updated 47, expires 55, lease 63, wake 71,
-- started 79, finished 87, cancel 95, then lengths of queue 103, claim id 107, worker 111, tail 115,
-- spec 119, result 123, report 127 (these two plus 1, 0 is none), and the texts from 131 on.

local ROWS, BODIES, ATTEMPTS, INDEX, WAKES = KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local FINALS = { [8] = KEYS[9], [9] = KEYS[10], [10] = KEYS[11], [11] = KEYS[12] }
local RUNNING, SUCCEEDED = 5, 8
local OPEN = { [0] = true, [2] = true, [3] = true, [7] = true }
local HAS_BODY, DELETES = 1, 2
local NEVER = '\128\0\0\0\0\0\0\0'
local TEXTS = 131

local function word(row, at)
  return (struct.unpack('>I4', row, at))
end

local function long(row, at)
  return (struct.unpack('>i8', row, at))
end

local function time(micros)
  return struct.pack('>i8', micros)
end

local function state_of(row)
  return row:byte(13)
end

local function flag(row, which)
  return math.floor(row:byte(14) / which) % 2 == 1
end

-- Where a row is in the index: by state, whether it is archived or deleted, queue, and number.
local function entry_of(row, id)
  local hidden = string.char(48 + math.floor(row:byte(14) / 4) % 4)
  local queue = row:sub(TEXTS, TEXTS - 1 + word(row, 103))
  return string.char(65 + state_of(row)) .. hidden .. queue .. '\0' .. row:sub(5, 12) .. id
end

local function unindex(row, id)
  redis.call('ZREM', INDEX, entry_of(row, id))
  if row:sub(71, 78) ~= NEVER then
    redis.call('ZREM', WAKES, row:sub(5, 12) .. id)
  end
  if FINALS[state_of(row)] then
    redis.call('ZREM', FINALS[state_of(row)], row:sub(5, 12) .. id)
  end
end

local function reindex(old, new, id)
  local before, after = old and entry_of(old, id), entry_of(new, id)
  if before ~= after then
    if before then
      redis.call('ZREM', INDEX, before)
    end
    redis.call('ZADD', INDEX, 0, after)
  end
  local member, wake = new:sub(5, 12) .. id, new:sub(71, 78)
  if old and wake == NEVER and old:sub(71, 78) ~= NEVER then
    redis.call('ZREM', WAKES, member)
  elseif wake ~= NEVER and not (old and old:sub(71, 78) == wake) then
    redis.call('ZADD', WAKES, whole(long(new, 71)), member)
  end
  if old and FINALS[state_of(old)] and state_of(old) ~= state_of(new) then
    redis.call('ZREM', FINALS[state_of(old)], member)
  end
  if FINALS[state_of(new)] then
    redis.call('ZADD', FINALS[state_of(new)], whole(long(new, 47)), member)
  end
end

-- Write a row over the one that stands, if any, and keep all indexes.
local function write(id, old, new)
  redis.call('HSET', ROWS, id, new)
  reindex(old, new, id)
end

-- A new row takes its number here; numbers are the order in which rows came.
local function insert(id, row)
  local number = struct.pack('>i8', redis.call('INCR', KEYS[1]))
  local new = row:sub(1, 4) .. number .. row:sub(13)
  write(id, nil, new)
  return new
end

-- '' leaves the body as it is, '-' drops it, '=' and the body keeps that.
local function keep_body(id, body)
  if body == '-' then
    redis.call('HDEL', BODIES, id)
  elseif body ~= '' then
    redis.call('HSET', BODIES, id, body:sub(2))
  end
end

local function texts_of(row, from, to)
  local at, found = TEXTS, {}
  for place = 1, 5 do
    local length = word(row, 99 + 4 * place)
    found[place] = row:sub(at, at + length - 1)
    at = at + length
  end
  return unpack(found)
end

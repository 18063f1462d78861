-- What scripts about messages share. A message's rank is its place in the order of delivery: its
-- priority, reversed, and behind it the number it was sent under. It is also the message's id.
-- The message itself: when it was sent (16 digits), how long its key is (4 digits), key, payload.
-- `held` has, by rank, the number of the newest delivery; below 0 where that one gave it back.

local BAND = 70368744177664 -- 2^46 numbers within one priority; 101 of them fit a double exactly
local PORTION = 1000

local function whole(number)
  return string.format('%.0f', number)
end

local function now_of(given)
  if given ~= '' then
    return tonumber(given)
  end
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

-- The keys of a queue, of which the first is KEYS[first]; see keys.py.
local function queue_at(first, name)
  return {
    name = name,
    messages = KEYS[first],
    held = KEYS[first + 1],
    ready = KEYS[first + 2],
    delayed = KEYS[first + 3],
    leased = KEYS[first + 4],
    wake = KEYS[first + 5],
    dead = KEYS[first + 6],
    letters = KEYS[first + 7],
  }
end

-- Wake one receiver. It rings again where it leaves something, so one token stands for a burst.
local function ring(queue)
  if redis.call('LLEN', queue.wake) == 0 then
    redis.call('RPUSH', queue.wake, '1')
  end
end

-- Make a message wait in the order, or for its time; who waits must know of an earlier one.
local function show(queue, now, rank, visible)
  if visible <= now then
    redis.call('ZADD', queue.ready, rank, rank)
    ring(queue)
    return
  end
  redis.call('ZADD', queue.delayed, whole(visible), rank)
  if redis.call('ZRANGE', queue.delayed, 0, 0)[1] == rank then
    ring(queue)
  end
end

local function put(queue, now, message)
  local number = redis.call('INCR', KEYS[1])
  local rank = whole((100 - tonumber(message.priority)) * BAND + number)
  local head = string.format('%016.0f%04d', now, #message.key)
  redis.call('HSET', queue.messages, rank, head .. message.key .. message.payload)
  redis.call('HINCRBY', KEYS[2], message.key, 1)
  show(queue, now, rank, message.visible)
end

local function key_of(message)
  return message:sub(21, 20 + tonumber(message:sub(17, 20)))
end

-- What stands in the broker under a key is one less.
local function uncount(key)
  if redis.call('HINCRBY', KEYS[2], key, -1) <= 0 then
    redis.call('HDEL', KEYS[2], key)
  end
end

-- Let what has waited long enough be received: delayed messages, and those whose lease ended. The
-- holder of a lease that ended may still settle, until the next delivery.
local function promote(queue, now)
  for _, waiting in ipairs({ queue.delayed, queue.leased }) do
    local due = redis.call('ZRANGEBYSCORE', waiting, '-inf', whole(now), 'LIMIT', 0, PORTION)
    for _, rank in ipairs(due) do
      redis.call('ZADD', queue.ready, rank, rank)
    end
    if #due > 0 then
      redis.call('ZREM', waiting, unpack(due))
    end
  end
end

-- 1 where the delivery holds the message, 0 where that is gone, -1 where it is in other hands.
local function holds(queue, rank, receipt)
  local held = redis.call('HGET', queue.held, rank)
  if not held then
    return 0
  end
  return held == receipt and 1 or -1
end

local function unlist(queue, rank)
  if redis.call('ZREM', queue.leased, rank) == 0 then
    redis.call('ZREM', queue.ready, rank) -- its lease has ended
  end
end

-- Removes before it writes: a server whose memory is full then lets the script go on.
local function forget(queue, rank, key)
  unlist(queue, rank)
  redis.call('HDEL', queue.messages, rank)
  redis.call('HDEL', queue.held, rank)
  uncount(key)
end

local function give_back(queue, now, rank, receipt, delay)
  unlist(queue, rank)
  redis.call('HSET', queue.held, rank, '-' .. receipt)
  show(queue, now, rank, now + tonumber(delay))
end

local function extend(queue, now, rank, lease)
  redis.call('ZREM', queue.ready, rank)
  redis.call('ZADD', queue.leased, whole(now + tonumber(lease)), rank)
end

-- A letter: when it died (16 digits), priority (3), receives (10), how long the reason is (8), the
-- reason as Python wrote it, the message.
local function bury(queue, now, rank, receipt, why)
  local message = redis.call('HGET', queue.messages, rank)
  local id = whole(redis.call('INCR', KEYS[1]))
  local priority = 100 - math.floor(tonumber(rank) / BAND)
  local head = string.format('%016.0f%03d%010d%08d', now, priority, tonumber(receipt), #why)
  local key = key_of(message)
  redis.call('HSET', queue.letters, id, head .. why .. message)
  redis.call('ZADD', queue.dead, id, id)
  redis.call('ZADD', KEYS[3], 0, key .. '\0' .. id .. '\0' .. queue.name)
  forget(queue, rank, key)
end

local function discard(queue, id, letter)
  local key = key_of(letter:sub(38 + tonumber(letter:sub(30, 37))))
  redis.call('HDEL', queue.letters, id)
  redis.call('ZREM', queue.dead, id)
  redis.call('ZREM', KEYS[3], key .. '\0' .. id .. '\0' .. queue.name)
  return key
end

-- Settle one delivery; where it is not held, nothing is done, and the answer says why.
local function settle(queue, now, verb, rank, receipt, key, value)
  local standing = holds(queue, rank, receipt)
  if standing ~= 1 then
    return standing
  end
  if verb == 'ack' then
    forget(queue, rank, key)
  elseif verb == 'release' then
    give_back(queue, now, rank, receipt, value)
  elseif verb == 'extend' then
    extend(queue, now, rank, value)
  else
    bury(queue, now, rank, receipt, value)
  end
  return 1
end

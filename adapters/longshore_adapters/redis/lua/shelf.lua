-- What scripts about entries share; behind queue.lua, of which they use the time and the number. An
-- entry: version 1, expiry 9 (0: none), whether it is a counter 17, and the value from 18 on.

local NUMBER, ENTRIES, ORDER, EXPIRY = KEYS[1], KEYS[4], KEYS[5], KEYS[6]

local function drop(key)
  redis.call('HDEL', ENTRIES, key)
  redis.call('ZREM', ORDER, key)
  redis.call('ZREM', EXPIRY, key)
end

local function live(now, key)
  local entry = redis.call('HGET', ENTRIES, key)
  local expiry = entry and struct.unpack('>i8', entry, 9)
  return entry and (expiry == 0 or expiry > now) and entry or nil
end

local function version_of(entry)
  return entry and (struct.unpack('>i8', entry, 1)) or 0
end

local function keep(key, expiry, kind, value)
  local version = redis.call('INCR', NUMBER)
  local entry = struct.pack('>i8i8', version, expiry) .. kind .. value
  redis.call('HSET', ENTRIES, key, entry)
  redis.call('ZADD', ORDER, 0, key)
  if expiry == 0 then
    redis.call('ZREM', EXPIRY, key)
  else
    redis.call('ZADD', EXPIRY, whole(expiry), key)
  end
  return entry
end

-- Each write takes some of what has expired with it.
local function sweep(now)
  for _, key in ipairs(redis.call('ZRANGEBYSCORE', EXPIRY, '-inf', whole(now), 'LIMIT', 0, 20)) do
    drop(key)
  end
end

local function later(now, ttl)
  return ttl == '' and 0 or now + tonumber(ttl)
end

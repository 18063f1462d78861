-- ARGV: now, queue. Answers ready, in flight, delayed, dead, and the age of the oldest ready message.
local now, queue = now_of(ARGV[1]), queue_at(4, ARGV[2])
promote(queue, now)
local ready, moment = redis.call('ZCARD', queue.ready), whole(now)
local function hidden(waiting)
  ready = ready + redis.call('ZCOUNT', waiting, '-inf', moment)
  return redis.call('ZCOUNT', waiting, '(' .. moment, '+inf')
end
local flying, delayed = hidden(queue.leased), hidden(queue.delayed)
-- The oldest is the first of a priority: look at that of each which has some.
local oldest, from = nil, '-inf'
while true do
  local rank = redis.call('ZRANGEBYSCORE', queue.ready, from, '+inf', 'LIMIT', 0, 1)[1]
  if not rank then
    break
  end
  local message = redis.call('HGET', queue.messages, rank)
  local sent = message and tonumber(message:sub(1, 16))
  if sent and (not oldest or sent < oldest) then
    oldest = sent
  end
  from = whole((math.floor(tonumber(rank) / BAND) + 1) * BAND)
end
local age = oldest and whole(now - oldest) or ''
return { ready, flying, delayed, redis.call('ZCARD', queue.dead), age }

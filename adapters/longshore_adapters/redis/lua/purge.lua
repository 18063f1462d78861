-- ARGV: now, queue, most, and 'all' where what is in flight goes too. Answers how many went; 0 at the end.
local now, queue = now_of(ARGV[1]), queue_at(4, ARGV[2])
promote(queue, now)
local places = { queue.ready, queue.delayed }
if ARGV[4] == 'all' then
  places[3] = queue.leased
end
for _, place in ipairs(places) do
  local gone = redis.call('ZPOPMIN', place, ARGV[3])
  for at = 1, #gone, 2 do
    local rank = gone[at]
    local message = redis.call('HGET', queue.messages, rank)
    redis.call('HDEL', queue.messages, rank)
    redis.call('HDEL', queue.held, rank)
    if message then
      uncount(key_of(message))
    end
  end
  if #gone > 0 then
    return #gone / 2
  end
end
return 0

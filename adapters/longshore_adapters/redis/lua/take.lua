-- ARGV: now, queue, limit, lease. Answers when the leases end, or, with nothing taken, when the next
-- message will be visible; then rank, number of the delivery and message, as one text each: a client
-- written in Python reads few long texts faster than many short ones.
local MOST_BYTES = 16777216 -- then no more: an answer must arrive within the client's timeout
local now, queue = now_of(ARGV[1]), queue_at(4, ARGV[2])
promote(queue, now)
local until_when = whole(now + tonumber(ARGV[4]))
local answer, left = { until_when }, MOST_BYTES
for _ = 1, tonumber(ARGV[3]) do
  local rank = left > 0 and redis.call('ZPOPMIN', queue.ready)[1]
  if not rank then
    break
  end
  local message = redis.call('HGET', queue.messages, rank)
  if message then
    local receipt = whole(math.abs(tonumber(redis.call('HGET', queue.held, rank) or '0')) + 1)
    redis.call('HSET', queue.held, rank, receipt)
    redis.call('ZADD', queue.leased, until_when, rank)
    answer[#answer + 1] = rank .. ' ' .. receipt .. ' ' .. message
    left = left - #message
  end
end
if redis.call('ZCARD', queue.ready) > 0 then
  ring(queue)
end
if #answer == 1 then
  local soonest = ''
  for _, waiting in ipairs({ queue.delayed, queue.leased }) do
    local first = redis.call('ZRANGE', waiting, 0, 0, 'WITHSCORES')[2]
    if first and (soonest == '' or tonumber(first) - now < tonumber(soonest)) then
      soonest = whole(tonumber(first) - now)
    end
  end
  answer[1] = soonest
end
return answer

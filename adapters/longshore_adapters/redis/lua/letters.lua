-- ARGV: now, queue, the id of the letter before, most. Answers id and letter, each.
local queue = queue_at(4, ARGV[2])
local answer = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', queue.dead, '(' .. ARGV[3], '+inf', 'LIMIT', 0, ARGV[4])) do
  answer[#answer + 1] = id
  answer[#answer + 1] = redis.call('HGET', queue.letters, id)
end
return answer

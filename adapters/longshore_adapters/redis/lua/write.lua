-- ARGV: now, how many queues, their names, then for each row id, version it was seen at (0: absent),
-- row, body, attempt's token or '', attempt, and what becomes of its message: number of the queue
-- (0: none), verb, rank, receipt, key, value. Answers 1, or 0 where another row stands.
local now, queues = now_of(ARGV[1]), {}
for number = 1, tonumber(ARGV[2]) do
  queues[number] = queue_at(5 + 8 * number, ARGV[2 + number])
end
local answers = {}
for at = 3 + #queues, #ARGV, 12 do
  local id, seen, row = ARGV[at], tonumber(ARGV[at + 1]), ARGV[at + 2]
  local old = redis.call('HGET', ROWS, id)
  local fits = old and word(old, 1) == seen or not old and seen == 0
  if fits then
    if old then
      write(id, old, row)
    else
      insert(id, row)
    end
    keep_body(id, ARGV[at + 3])
    if ARGV[at + 4] ~= '' then
      redis.call('HSET', ATTEMPTS, id .. ':' .. ARGV[at + 4], ARGV[at + 5])
    end
    local queue = queues[tonumber(ARGV[at + 6])]
    if queue then
      settle(queue, now, ARGV[at + 7], ARGV[at + 8], ARGV[at + 9], ARGV[at + 10], ARGV[at + 11])
    end
  end
  answers[#answers + 1] = fits and 1 or 0
end
return answers

-- ARGV: now, how many queues, their names, then for each task id, row, body, number of the queue
-- its message goes to (0: none), priority, head of the message. Answers 0 where the row is new, else
-- the state of the one that stands, plus 1.
local now, queues = now_of(ARGV[1]), {}
for number = 1, tonumber(ARGV[2]) do
  queues[number] = queue_at(5 + 8 * number, ARGV[2 + number])
end
local answers = {}
for at = 3 + #queues, #ARGV, 6 do
  local id = ARGV[at]
  local old = redis.call('HGET', ROWS, id)
  if old then
    answers[#answers + 1] = state_of(old) + 1
  else
    local row = ARGV[at + 1]
    insert(id, row:sub(1, 46) .. time(now) .. row:sub(55))
    redis.call('HSET', BODIES, id, ARGV[at + 2])
    local queue = queues[tonumber(ARGV[at + 3])]
    if queue then
      put(queue, now, {
        priority = ARGV[at + 4],
        visible = long(row, 39),
        key = id,
        payload = ARGV[at + 5] .. ARGV[at + 2],
      })
    end
    answers[#answers + 1] = 0
  end
end
return answers

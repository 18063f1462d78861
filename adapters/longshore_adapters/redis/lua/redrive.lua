-- ARGV: now, queue, then for each letter id and payload. Answers 1, or 0 where there is none.
local now, queue = now_of(ARGV[1]), queue_at(4, ARGV[2])
local answers = {}
for at = 3, #ARGV, 2 do
  local letter = redis.call('HGET', queue.letters, ARGV[at])
  if letter then
    put(queue, now, {
      priority = letter:sub(17, 19),
      visible = now,
      key = discard(queue, ARGV[at], letter),
      payload = ARGV[at + 1],
    })
  end
  answers[#answers + 1] = letter and 1 or 0
end
return answers

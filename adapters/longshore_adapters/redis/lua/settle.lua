-- ARGV: now, queue, then for each delivery verb, rank, receipt, key, value. Answers 1, 0 or -1 each.
local now, queue = now_of(ARGV[1]), queue_at(4, ARGV[2])
local answers = {}
for at = 3, #ARGV, 5 do
  answers[#answers + 1] =
    settle(queue, now, ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4])
end
return answers

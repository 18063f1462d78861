-- ARGV: now, queue, then the ids of letters.
local queue = queue_at(4, ARGV[2])
for at = 3, #ARGV do
  local letter = redis.call('HGET', queue.letters, ARGV[at])
  if letter then
    discard(queue, ARGV[at], letter)
  end
end

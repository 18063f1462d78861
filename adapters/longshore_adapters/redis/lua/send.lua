-- ARGV: now, queue, then for each message priority, delay, key, payload.
local now, queue = now_of(ARGV[1]), queue_at(4, ARGV[2])
for at = 3, #ARGV, 4 do
  put(queue, now, {
    priority = ARGV[at],
    visible = now + tonumber(ARGV[at + 1]),
    key = ARGV[at + 2],
    payload = ARGV[at + 3],
  })
end

-- ARGV: now, then for each row id and version. Removes those that are as they were seen and of which no
-- message stands. Answers 1 or 0 each.
local answers = {}
for at = 2, #ARGV, 2 do
  local id = ARGV[at]
  local row = redis.call('HGET', ROWS, id)
  local fits = row
    and word(row, 1) == tonumber(ARGV[at + 1])
    and redis.call('HEXISTS', KEYS[2], id) == 0
  if fits then
    unindex(row, id)
    redis.call('HDEL', ROWS, id)
    redis.call('HDEL', BODIES, id)
    for token = 1, word(row, 15) do
      redis.call('HDEL', ATTEMPTS, id .. ':' .. token)
    end
  end
  answers[#answers + 1] = fits and 1 or 0
end
return answers

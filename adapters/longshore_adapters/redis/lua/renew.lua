-- ARGV: now, then for each lease id, token, length. Answers 0 where it is lost, 1, or 2 where its end was asked for.
local now = now_of(ARGV[1])
local answers = {}
for at = 2, #ARGV, 3 do
  local id = ARGV[at]
  local row = redis.call('HGET', ROWS, id)
  if row and state_of(row) == RUNNING and word(row, 15) == tonumber(ARGV[at + 1]) then
    local new = struct.pack('>I4', word(row, 1) + 1)
      .. row:sub(5, 46)
      .. time(now)
      .. row:sub(55, 62)
      .. time(now + tonumber(ARGV[at + 2]))
      .. row:sub(71)
    redis.call('HSET', ROWS, id, new)
    answers[#answers + 1] = row:sub(95, 102) == NEVER and 1 or 2
  else
    answers[#answers + 1] = 0
  end
end
return answers

-- Answers each state, visibility and queue that has rows, as the index writes them, and how many.
local answer, from = {}, '-'
while true do
  local first = redis.call('ZRANGEBYLEX', INDEX, from, '+', 'LIMIT', 0, 1)[1]
  if not first then
    return answer
  end
  local place = first:sub(1, first:find('\0', 3, true))
  answer[#answer + 1] = place
  answer[#answer + 1] = redis.call('ZLEXCOUNT', INDEX, '[' .. place, '[' .. place .. '\255')
  from = '[' .. place .. '\255'
end

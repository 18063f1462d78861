-- ARGV: now, 'newest' or 'oldest', most, a number (newest: only rows before it) or '', places. Answers
-- number and id of up to so many rows of each place.
local answer = {}
for at = 5, #ARGV do
  local place, found = ARGV[at], nil
  if ARGV[2] == 'newest' then
    local before = ARGV[4] == '' and '\255' or time(tonumber(ARGV[4]))
    found = redis.call('ZREVRANGEBYLEX', INDEX, '(' .. place .. before, '[' .. place, 'LIMIT', 0, ARGV[3])
  else
    found = redis.call('ZRANGEBYLEX', INDEX, '[' .. place, '(' .. place .. '\255', 'LIMIT', 0, ARGV[3])
  end
  for _, member in ipairs(found) do
    answer[#answer + 1] = member:sub(#place + 1)
  end
end
return answer

-- ARGV: now, from, to, most. Answers key and live entry, in order.
local now, from, answers = now_of(ARGV[1]), ARGV[2], {}
while true do
  local keys = redis.call('ZRANGEBYLEX', ORDER, from, ARGV[3], 'LIMIT', 0, ARGV[4])
  for _, key in ipairs(keys) do
    local entry = live(now, key)
    if entry then
      answers[#answers + 1] = key
      answers[#answers + 1] = entry
    end
    if #answers >= 2 * tonumber(ARGV[4]) then
      return answers
    end
    from = '(' .. key
  end
  if #keys < tonumber(ARGV[4]) then
    return answers
  end
end

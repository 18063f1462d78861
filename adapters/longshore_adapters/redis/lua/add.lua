-- ARGV: now, then for each key, amount, time to live or ''. Answers each new value, or the key that
-- holds no counter; then nothing was changed.
local now, answers = now_of(ARGV[1]), {}
for at = 2, #ARGV, 3 do
  local entry = live(now, ARGV[at])
  if entry and entry:sub(17, 17) ~= 'c' then
    return ARGV[at]
  end
end
sweep(now)
for at = 2, #ARGV, 3 do
  local key = ARGV[at]
  local entry = live(now, key)
  local expiry = entry and (struct.unpack('>i8', entry, 9)) or later(now, ARGV[at + 2])
  local total = (entry and tonumber(entry:sub(18)) or 0) + tonumber(ARGV[at + 1])
  keep(key, expiry, 'c', whole(total))
  answers[#answers + 1] = whole(total)
end
return answers

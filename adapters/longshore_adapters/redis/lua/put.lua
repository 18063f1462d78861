-- ARGV: now, then for each key, value, expected version or '', time to live or ''. Answers each entry,
-- or nothing where another version stands.
local now, answers = now_of(ARGV[1]), {}
sweep(now)
for at = 2, #ARGV, 4 do
  local key, expected = ARGV[at], ARGV[at + 2]
  local fits = expected == '' or version_of(live(now, key)) == tonumber(expected)
  answers[#answers + 1] = fits and keep(key, later(now, ARGV[at + 3]), 'v', ARGV[at + 1]) or false
end
return answers

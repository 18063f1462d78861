-- ARGV: now, keys. Answers each live entry.
local now, answers = now_of(ARGV[1]), {}
for at = 2, #ARGV do
  answers[#answers + 1] = live(now, ARGV[at]) or false
end
return answers

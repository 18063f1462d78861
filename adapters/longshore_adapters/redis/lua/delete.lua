-- ARGV: now, then for each key and expected version or ''. Answers 1 or 0.
local now, answers = now_of(ARGV[1]), {}
for at = 2, #ARGV, 2 do
  local entry = live(now, ARGV[at])
  local fits = entry and (ARGV[at + 1] == '' or version_of(entry) == tonumber(ARGV[at + 1]))
  if fits then
    drop(ARGV[at])
  end
  answers[#answers + 1] = fits and 1 or 0
end
return answers

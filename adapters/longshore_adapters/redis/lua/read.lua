-- ARGV: now, 'bodies' or '', then ids. Answers the time, and each row, with its body where asked.
local answer = { whole(now_of(ARGV[1])) }
for at = 3, #ARGV do
  answer[#answer + 1] = redis.call('HGET', ROWS, ARGV[at])
  if ARGV[2] == 'bodies' then
    answer[#answer + 1] = redis.call('HGET', BODIES, ARGV[at])
  end
end
return answer

-- Plain successes alone: a running row of this token, without a tail, that keeps itself.
-- ARGV: now, how many queues, their names, then for each end id, token, started or '', result, report
-- ('' or '=' and the bytes), what the attempt says, and of its message number of the queue (0: none),
-- rank, receipt, key. Answers the run and 1, or 0 where longshore.protocol must decide.
local now, queues = now_of(ARGV[1]), {}
for number = 1, tonumber(ARGV[2]) do
  queues[number] = queue_at(5 + 8 * number, ARGV[2 + number])
end
local moment = time(now)

local function length(part)
  return struct.pack('>I4', #part) -- with its '=', so that 0 is none
end

local answers = {}
for at = 3 + #queues, #ARGV, 10 do
  local id = ARGV[at]
  local row = redis.call('HGET', ROWS, id)
  if
    row
    and state_of(row) == RUNNING
    and word(row, 15) == tonumber(ARGV[at + 1])
    and word(row, 115) == 0
    and not flag(row, DELETES)
  then
    local queue, claim, worker, _, spec = texts_of(row)
    local started = ARGV[at + 2] == '' and row:sub(79, 86) or time(tonumber(ARGV[at + 2]))
    local result, report = ARGV[at + 3], ARGV[at + 4]
    local new = struct.pack('>I4', word(row, 1) + 1)
      .. row:sub(5, 12)
      .. string.char(SUCCEEDED)
      .. row:sub(14, 26)
      .. '\0\0\0\0'
      .. row:sub(31, 46)
      .. moment
      .. row:sub(55, 62)
      .. NEVER
      .. NEVER
      .. started
      .. moment
      .. row:sub(95, 122)
      .. length(result)
      .. length(report)
      .. queue
      .. claim
      .. worker
      .. spec
      .. result:sub(2)
      .. report:sub(2)
    write(id, row, new)
    if started == NEVER then
      started = row:sub(47, 54)
    end
    local attempt = row:sub(19, 26) .. row:sub(15, 18) .. started .. moment .. row:sub(111, 114)
    redis.call('HSET', ATTEMPTS, id .. ':' .. ARGV[at + 1], attempt .. worker .. ARGV[at + 5])
    local message = queues[tonumber(ARGV[at + 6])]
    if message then
      settle(message, now, 'ack', ARGV[at + 7], ARGV[at + 8], ARGV[at + 9], '')
    end
    answers[#answers + 1] = word(row, 19) + 1
  else
    answers[#answers + 1] = 0
  end
end
return answers

-- Plain starts alone: an open row that is due, has no deadline behind it, no wake-up and no tail.
-- ARGV: now, then for each bid id, lease, claim id, worker. Answers token, attempts, run, rescues and
-- whether there is a body, as one text, or '' where longshore.protocol must decide.
local now = now_of(ARGV[1])
local moment = time(now)

local function plain(row)
  local expires = long(row, 55)
  return OPEN[state_of(row)]
    and long(row, 39) <= now
    and (row:sub(55, 62) == NEVER or expires > now)
    and row:sub(71, 78) == NEVER
    and word(row, 115) == 0
end

local answers = {}
for at = 2, #ARGV, 4 do
  local id = ARGV[at]
  local row = redis.call('HGET', ROWS, id)
  if row and plain(row) then
    local token, attempts = word(row, 15) + 1, struct.unpack('>i4', row, 23) + 1
    local queue, _, _, _, spec = texts_of(row)
    local claim, worker = ARGV[at + 2], ARGV[at + 3]
    local new = struct.pack('>I4', word(row, 1) + 1)
      .. row:sub(5, 12)
      .. string.char(RUNNING)
      .. row:sub(14, 14)
      .. struct.pack('>I4', token)
      .. row:sub(19, 22)
      .. struct.pack('>i4', attempts)
      .. row:sub(27, 30)
      .. '\0\0\0\0'
      .. row:sub(35, 46)
      .. moment
      .. row:sub(55, 62)
      .. time(now + tonumber(ARGV[at + 1]))
      .. NEVER
      .. moment
      .. NEVER
      .. row:sub(95, 106)
      .. struct.pack('>I4I4', #claim, #worker)
      .. '\0\0\0\0'
      .. row:sub(119, 130)
      .. queue
      .. claim
      .. worker
      .. row:sub(TEXTS + #queue + word(row, 107) + word(row, 111))
    write(id, row, new)
    local has_body = flag(row, HAS_BODY) and 1 or 0
    local rescues = struct.unpack('>i4', row, 27)
    answers[#answers + 1] = table.concat({ token, attempts, word(row, 19), rescues, has_body }, ' ')
  else
    answers[#answers + 1] = ''
  end
end
return answers

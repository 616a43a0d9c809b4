import { primaryOnly } from '../redis/primary-only';

/**
 * Redis scripts of the local caches. One hash says who reads from memory: `<id>` with the time (milliseconds, of Redis'
 * clock) until which that process counts, `:process`, the Redis process that began the list, and `:since` when.
 */
const now = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function begin()
  redis.call('HSET', KEYS[1], ':process', string.match(redis.call('INFO', 'server'), 'run_id:(%x+)'),
    ':since', string.format('%.0f', now))
end
`;

/**
 * KEYS: readers. ARGV: id, ms for which it counts, ms for which the list is kept. It is asked often, and writes seldom.
 */
export const registerScript = `${primaryOnly}${now}
local ends = redis.call('HGET', KEYS[1], ARGV[1])
if ends and tonumber(ends) - now > 0.75 * tonumber(ARGV[2]) then return end
if redis.call('EXISTS', KEYS[1]) == 0 then begin() end
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', now + tonumber(ARGV[2])))
redis.call('PEXPIRE', KEYS[1], ARGV[3])
`;

/**
 * KEYS: readers. ARGV: id of who asks, channel, message for all others, ms after which every reader has registered again.
 * Answers the others, or false where the list may lack some: it was lost, or comes from another Redis process.
 */
export const askScript = `${now}
local list = redis.call('HMGET', KEYS[1], ':process', ':since')
if not list[2] or not string.find(redis.call('INFO', 'server'), 'run_id:' .. list[1], 1, true) then
  begin()
  return false
end
if now - tonumber(list[2]) < tonumber(ARGV[4]) then return false end
local readers = {}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  if string.sub(all[i], 1, 1) ~= ':' and all[i] ~= ARGV[1] then
    if tonumber(all[i + 1]) > now then readers[#readers + 1] = all[i]
    else redis.call('HDEL', KEYS[1], all[i]) end
  end
end
if #readers > 0 then redis.call('PUBLISH', ARGV[2], ARGV[3]) end
return readers
`;

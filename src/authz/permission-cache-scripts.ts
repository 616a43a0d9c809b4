/**
 * Redis scripts of the permission cache. One hash a user: `generation`, `data`, and `fence:<id>` with the time
 * (milliseconds, of Redis' clock) at which a change that is under way will certainly be over.
 */
const isFenced = `
local function isFenced(key)
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local all = redis.call('HGETALL', key)
  for i = 1, #all, 2 do
    if string.sub(all[i], 1, 6) == 'fence:' and tonumber(all[i + 1]) > now then return true end
  end
  return false
end
`;

/** KEYS: entry. Answers {'fenced'}, or {generation, data}, each the empty text where there is none. */
export const readScript = `${isFenced}
if isFenced(KEYS[1]) then return { 'fenced' } end
local entry = redis.call('HMGET', KEYS[1], 'generation', 'data')
return { entry[1] or '', entry[2] or '' }
`;

/** KEYS: entry. ARGV: generation as it was before loading, data, life ms. Answers 1 where it was filled. */
export const fillScript = `${isFenced}
if isFenced(KEYS[1]) or (redis.call('HGET', KEYS[1], 'generation') or '') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'data', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
`;

/** KEYS: entry. ARGV: fence id, fence ms, life ms. */
export const fenceScript = `
local time = redis.call('TIME')
local ends = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[2])
redis.call('HDEL', KEYS[1], 'data')
redis.call('HSET', KEYS[1], 'generation', ARGV[1], 'fence:' .. ARGV[1], string.format('%.0f', ends))
redis.call('PEXPIRE', KEYS[1], ARGV[3])
`;

/** KEYS: entry. ARGV: fence id to take down, or the empty text. Whoever is loading now will fill nothing. */
export const clearScript = `
if redis.call('EXISTS', KEYS[1]) == 0 then return end
redis.call('HDEL', KEYS[1], 'data', 'fence:' .. ARGV[1])
redis.call('HSET', KEYS[1], 'generation', (redis.call('HGET', KEYS[1], 'generation') or '') .. '+')
`;

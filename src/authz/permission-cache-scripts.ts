import { primaryOnly } from '../infra/redis/primary-only';

/**
 * Redis scripts of the permission cache. One hash a user: `process`, the Redis process that wrote the rest; `generation`;
 * `data`; and `fence:<id>` with the time (milliseconds, of Redis' clock) at which a change that is under way will
 * certainly be over. What another process has written counts for nothing, fences excepted: a Redis that was restarted,
 * or that took over from another, may have lost the last changes.
 */
const ownProcess = `
local function process()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
end
`;

/** KEYS: entry. ARGV: a new generation, life ms. Answers {'fenced'}, {generation, the empty text} or {generation, data, ms left}. */
export const readScript = `${ownProcess}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  if string.sub(all[i], 1, 6) == 'fence:' and tonumber(all[i + 1]) > now then return { 'fenced' } end
end
local entry = redis.call('HMGET', KEYS[1], 'process', 'generation', 'data')
local here = process()
if entry[1] == here then return { entry[2], entry[3] or '', redis.call('PTTL', KEYS[1]) } end
redis.call('HDEL', KEYS[1], 'data')
redis.call('HSET', KEYS[1], 'process', here, 'generation', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return { ARGV[1], '' }
`;

/**
 * KEYS: entry. ARGV: generation as it was before loading, data or the empty text for nobody, life ms. Answers 1 where it
 * was filled. A fence has made a new generation, and what belongs to another process stays void. Of nobody nothing is
 * kept: the generation goes too, so that whoever is loading now fills nothing.
 */
export const fillScript = `
if redis.call('HGET', KEYS[1], 'generation') ~= ARGV[1] then return 0 end
if ARGV[2] == '' then
  redis.call('DEL', KEYS[1])
  return 0
end
redis.call('HSET', KEYS[1], 'data', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
`;

/** KEYS: entry. ARGV: fence id, fence ms, life ms. */
export const fenceScript = `${ownProcess}
local time = redis.call('TIME')
local ends = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[2])
redis.call('HDEL', KEYS[1], 'data')
redis.call('HSET', KEYS[1], 'process', process(), 'generation', ARGV[1],
  'fence:' .. ARGV[1], string.format('%.0f', ends))
redis.call('PEXPIRE', KEYS[1], ARGV[3])
`;

/**
 * KEYS: entry. ARGV: fence id to take down, or the empty text. Whoever is loading now will fill nothing. Answers 1 where that
 * fence stood until now, else 0.
 */
export const clearScript = `
if redis.call('EXISTS', KEYS[1]) == 0 then
${primaryOnly}
return 0 end
redis.call('HDEL', KEYS[1], 'data')
redis.call('HSET', KEYS[1], 'generation', (redis.call('HGET', KEYS[1], 'generation') or '') .. '+')
return redis.call('HDEL', KEYS[1], 'fence:' .. ARGV[1])
`;

import { primaryOnly } from '../infra/redis/primary-only';

/**
 * Redis scripts of the session store. One hash a user holds all sessions, so every script touches one key and is at
 * home in a cluster. A session is two fields: `<id>` with the state below, and `<id>:about` with its JSON description.
 *
 * state = counter rotatedAt lastActiveAt expiresAt absoluteEnd epoch persistent mfa windowStart windowUses
 * (persistent and mfa are 0 or 1; the last two count refreshes for the rate limit).
 */
const readState = `
local function read(state)
  local n = {}
  for number in string.gmatch(state, '%d+') do n[#n + 1] = tonumber(number) end
  return { counter = n[1], rotated = n[2], active = n[3], expires = n[4], absolute = n[5], epoch = n[6],
           persistent = n[7], mfa = n[8], window = n[9], used = n[10] }
end
local function write(s)
  return string.format('%.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f',
    s.counter, s.rotated, s.active, s.expires, s.absolute, s.epoch, s.persistent,
    s.mfa, s.window, s.used)
end
local function drop(key, id) redis.call('HDEL', key, id, id .. ':about') end
`;

/**
 * KEYS: user's sessions. ARGV: id, state, about, absoluteEnd, now, most sessions.
 * Answers the ids that had to go because the user had too many.
 */
export const openScript = `${readState}
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2], ARGV[1] .. ':about', ARGV[3])
local ends = tonumber(ARGV[4]) - tonumber(ARGV[5])
if redis.call('PTTL', KEYS[1]) < ends then redis.call('PEXPIRE', KEYS[1], string.format('%.0f', ends)) end
local most = tonumber(ARGV[6])
if redis.call('HLEN', KEYS[1]) <= 2 * most then return {} end
local live, evicted = {}, {}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  if not string.find(all[i], ':', 1, true) then
    local s = read(all[i + 1])
    if s.expires <= tonumber(ARGV[5]) then drop(KEYS[1], all[i])
    elseif all[i] ~= ARGV[1] then live[#live + 1] = { id = all[i], active = s.active } end
  end
end
table.sort(live, function(a, b) return a.active < b.active end)
for i = 1, #live + 1 - most do
  drop(KEYS[1], live[i].id)
  evicted[#evicted + 1] = live[i].id
end
return evicted
`;

/**
 * KEYS: user's sessions. ARGV: id, presented counter, now, grace ms, inactivity ms, limit, window ms, least epoch.
 * The whole decision about a refresh token in one step, so that parallel calls can't disagree.
 * Answers {'missing'}, {'dropped'} where it is missing from now on, {'stale', epoch}, {'reused'}, {'limited', ms to wait} or
 * {'rotated', counter, absoluteEnd, persistent, mfa}.
 */
export const rotateScript = `${readState}
local state = redis.call('HGET', KEYS[1], ARGV[1])
if not state then
${primaryOnly}
return { 'missing' } end
local s = read(state)
local presented, now = tonumber(ARGV[2]), tonumber(ARGV[3])
-- Of a Redis that hung: the answer will not be heard, so the time to ask again begins now, and not with the question.
local time = redis.call('TIME')
now = math.max(now, time[1] * 1000 + math.floor(time[2] / 1000))
if s.expires <= now then
  drop(KEYS[1], ARGV[1])
  return { 'dropped' }
end
if s.epoch < tonumber(ARGV[8]) then return { 'stale', string.format('%.0f', s.epoch) } end
local repeated = presented == s.counter - 1 and now - s.rotated <= tonumber(ARGV[4])
if presented < s.counter and not repeated then
  return { 'reused' }
end
if now - s.window >= tonumber(ARGV[7]) then
  s.window = now
  s.used = 0
end
if s.used >= tonumber(ARGV[6]) then
  return { 'limited', string.format('%.0f', s.window + tonumber(ARGV[7]) - now) }
end
s.used = s.used + 1
if not repeated then
  -- A number ahead of ours was made by us too: Redis has lost its last writes, and the token is the newer truth.
  s.counter = presented + 1
  s.rotated = now
end
s.active = now
s.expires = math.min(now + tonumber(ARGV[5]), s.absolute)
redis.call('HSET', KEYS[1], ARGV[1], write(s))
return { 'rotated', string.format('%.0f', s.counter), string.format('%.0f', s.absolute),
  string.format('%.0f', s.persistent), string.format('%.0f', s.mfa) }
`;

/**
 * KEYS: user's sessions. ARGV: epoch, 1 where those that stay have proved the second factor, ids that stay…
 * Ends every session opened under an older epoch; those that stay move into this one.
 */
export const revokeBeforeScript = `${readState}
local stays, moving = {}, {}
for i = 3, #ARGV do stays[ARGV[i]] = true end
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local s = not string.find(all[i], ':', 1, true) and read(all[i + 1])
  if s and s.epoch < tonumber(ARGV[1]) then
    if stays[all[i]] then moving[all[i]] = s else drop(KEYS[1], all[i]) end
  end
end
-- Last: where memory is full it fails, and must not keep alive what has to go.
for id, s in pairs(moving) do
  s.epoch = tonumber(ARGV[1])
  if ARGV[2] == '1' then s.mfa = 1 end
  redis.call('HSET', KEYS[1], id, write(s))
end
`;

const ownProcess = `string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')`;

/** KEYS: who knows. Answers {id of this Redis process, 1 where it is the one that knows}. */
export const knowsScript = `${primaryOnly}
local here = ${ownProcess}
return { here, redis.call('GET', KEYS[1]) == here and 1 or 0 }
`;

/** KEYS: who knows. ARGV: the process that was told. Answers 1, or 0 where this is another one. */
export const learntScript = `${primaryOnly}
if ${ownProcess} ~= ARGV[1] then return 0 end
-- Where memory is full it is told again on the next connection.
redis.pcall('SET', KEYS[1], ARGV[1])
return 1
`;

/**
 * Where a script must not be answered by a replica though it writes nothing, at its beginning or before that answer: a server
 * that was demoted knows nothing of what came after, and says so here as it does to a write.
 */
export const primaryOnly = `
if not string.find(redis.call('INFO', 'replication'), 'role:master', 1, true) then
  return redis.error_reply('READONLY this server is a replica')
end
`;

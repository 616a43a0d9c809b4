/**
 * The service's session-level advisory locks, in PostgreSQL's two-number space. Locks on texts (a subject's events)
 * live in its one-number space, so the two never meet.
 */
export const advisoryLocks = {
  migrations: [1970496882, 1],
  eventRelay: [1970496882, 2],
  rewrap: [1970496882, 3],
  seals: [1970496882, 4],
  retention: [1970496882, 5],
  purge: [1970496882, 6],
  brokerSessions: [1970496882, 7],
  expiredExports: [1970496882, 8],
  webhookDeliveries: [1970496882, 9],
  webhookLeftovers: [1970496882, 10],
} as const;

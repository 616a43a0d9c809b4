import { counterOf } from '../infra/metrics/counter-of';

/** `fenced`: a change is under way. `unavailable`: Redis is away. */
export const cacheLookups = counterOf(
  'user_service_permission_cache_lookups_total',
  'Lookups in the cache of permissions, by result',
  { result: ['hit', 'miss', 'fenced', 'unavailable'] },
);

import { counterOf } from '../metrics/counter-of';

/** `lapsed`: it is not proved that every change has been heard of, so Redis is asked; as at first, and while it is away. */
export const nearLookups = counterOf(
  'user_service_near_cache_lookups_total',
  "Lookups in the process' own memory, before Redis is asked",
  { result: ['hit', 'miss', 'lapsed'] },
);

import { counterOf } from '../infra/metrics/counter-of';

export const tokenCacheLookups = counterOf(
  'user_service_access_token_cache_lookups_total',
  'Lookups of access tokens among those whose signature was found good before',
  { result: ['hit', 'miss'] },
);

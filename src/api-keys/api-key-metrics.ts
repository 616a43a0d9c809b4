import { counterOf } from '../infra/metrics/counter-of';

export const apiKeyRequests = counterOf(
  'user_service_api_key_requests_total',
  'Requests that came with an API key, by whether it was good',
  { result: ['accepted', 'refused'] },
);

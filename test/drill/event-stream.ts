/** By the name that subscribers know; see docs/subscribers. */
export const EVENT_STREAM = 'user_service:events';

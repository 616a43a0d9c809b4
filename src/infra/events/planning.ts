/**
 * For statements on events that have an index for just what they ask, in a transaction, until it ends. Anything else
 * PostgreSQL might do reads more: it would sort all that a busy account has ever done to find the newest hundred, or read
 * every event there is to delete a thousand. One plan fits every account, which saves planning for each partition, and
 * compiling, in each call.
 */
export const PLANNING = `
  SELECT set_config('plan_cache_mode', 'force_generic_plan', true), set_config('jit', 'off', true),
         set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
         set_config('enable_sort', 'off', true), set_config('enable_incremental_sort', 'off', true),
         set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)`;

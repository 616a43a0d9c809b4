import { withDeadline } from './deadline';

export interface FewAtOnce {
  atOnce: number;
  /** For all of it. */
  milliseconds: number;
  /** For the message of the deadline. */
  what: string;
}

/**
 * Does the work for each item, for a few at the same time. It begins nothing more after a failure, or when the time is
 * up.
 * @returns the results, in the order of the items. @throws LateError; what the work throws first
 */
export async function fewAtOnce<T, R>(
  items: readonly T[],
  { atOnce, milliseconds, what }: FewAtOnce,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const waiting = items.entries();
  let isOver = false;
  const worker = async (): Promise<void> => {
    for (const [index, item] of waiting) {
      if (isOver) return;
      results[index] = await work(item);
    }
  };
  try {
    await withDeadline(Promise.all(Array.from({ length: atOnce }, worker)), milliseconds, what);
    return results;
  } finally {
    isOver = true;
  }
}

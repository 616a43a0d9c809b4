type Ask = (sql: string) => Promise<readonly { published: boolean }[]>;

/** Whether every committed event has its link in the chain, and the relay has published it. */
export async function eventsPublished(ask: Ask): Promise<boolean> {
  const [relay] = await ask(
    `SELECT published_position >= chain_position AND NOT EXISTS (SELECT FROM event_outbox) AS published
     FROM event_relay`,
  );
  return relay!.published;
}

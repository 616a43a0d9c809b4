import { Redis } from 'ioredis';
import { Config } from '../../config/config';
import { connectRedis } from '../redis/connect-redis';

/** Where Redis says what has changed, to connections that follow another one's reads. */
const INVALIDATIONS = '__redis__:invalidate';

/** Until it is seen whether they lead to the same one again. */
const APART_PAUSE_MS = 2_000;
/** What it says where the two connections have come to different servers. */
export const APART = 'the connections lead to different servers';

interface Heard {
  /** Null: every key. */
  changed: (keys: readonly string[] | null) => void;
  message: (channel: string, text: string) => void;
  /** What Redis says from now on has a gap before it. */
  lost: () => void;
}

/**
 * A second connection, on which Redis tells what changes of what the first one has read (CLIENT TRACKING with REDIRECT,
 * as in "Client-side caching in Redis"), and on which processes talk to each other. With either connection all is lost.
 */
export class NearLink {
  private readonly subscriber: Redis;
  /** Its number, and the Redis process that gave it. */
  private listener?: { id: number; process?: string };
  private subscribers = 0;
  private listening?: Promise<void>;
  private losses = 0;
  private apartUntil = -Infinity;
  /** Whether Redis follows what is read. */
  isArmed = false;

  constructor(
    private readonly redis: Redis,
    config: Config,
    private readonly channels: readonly string[],
    private readonly heard: Heard,
  ) {
    this.subscriber = connectRedis(config, {
      connectionName: `${config.APP_NAME}:near`,
      enableAutoPipelining: false,
      autoResubscribe: false,
    });
    // The first connection goes to the same Redis, and its troubles are logged.
    this.subscriber.on('error', () => undefined);
    this.subscriber.on('messageBuffer', (channel: Buffer, message: Buffer | Buffer[] | null) =>
      this.hear(channel.toString(), message),
    );
    this.subscriber.on('close', () => {
      this.listener = undefined;
      this.subscribers++;
      this.lose();
    });
    redis.on('close', () => this.lose());
    redis.on('ready', () => this.follow());
  }

  /** Hears its channels from then on. @throws where Redis is away, or lets nobody listen. */
  listen(): Promise<void> {
    if (this.listener) return Promise.resolve();
    this.listening ??= this.subscribe().finally(() => (this.listening = undefined));
    return this.listening;
  }

  /** Has Redis follow what is read with CACHING YES. @throws where it is away, or does not do so. */
  async arm(): Promise<void> {
    if (this.isArmed) return;
    if (performance.now() < this.apartUntil) throw new Error(APART);
    const { losses } = this;
    await this.listen();
    await this.requireSameServer();
    await this.redis.client('TRACKING', 'ON', 'REDIRECT', this.listener?.id ?? 0, 'OPTIN');
    // To see whether it is allowed; the next command is followed in vain.
    await this.redis.client('CACHING', 'YES');
    if (losses !== this.losses) throw new Error('Connection is closed.');
    this.isArmed = true;
  }

  /** Resolves when everything has been heard that Redis said before it got the question. */
  async catchUp(): Promise<void> {
    await this.subscriber.ping();
  }

  close(): void {
    if (this.subscriber.status !== 'wait') this.subscriber.disconnect();
  }

  /** Behind an address that leads to another server now, this connection would stay with the former one. */
  private follow(): void {
    if (this.subscriber.status !== 'wait' && this.subscriber.status !== 'end')
      this.subscriber.disconnect(true);
  }

  /**
   * The address may have led them apart. Numbers of connections are each server's own: this one would follow for a stranger, and
   * nobody would hear of a change.
   */
  private async requireSameServer(): Promise<void> {
    const process = processOf(await this.redis.info('server'));
    if (!this.listener || process === this.listener.process) return;
    this.apartUntil = performance.now() + APART_PAUSE_MS;
    this.subscriber.disconnect(true);
    throw new Error(APART);
  }

  private async subscribe(): Promise<void> {
    const { subscriber } = this;
    if (subscriber.status === 'wait') await subscriber.connect();
    const { subscribers } = this;
    try {
      const [id, info] = await Promise.all([subscriber.client('ID'), subscriber.info('server')]);
      await subscriber.subscribe(INVALIDATIONS, ...this.channels);
      if (subscribers === this.subscribers) this.listener = { id, process: processOf(info) };
    } finally {
      // One that has subscribed can't be asked for its id again.
      if (!this.listener && subscriber.mode === 'subscriber') subscriber.disconnect(true);
    }
    if (!this.listener) throw new Error('Connection is closed.');
  }

  private hear(channel: string, message: Buffer | Buffer[] | null): void {
    if (channel !== INVALIDATIONS) return this.heard.message(channel, String(message));
    this.heard.changed(Array.isArray(message) ? message.map(String) : null);
  }

  private lose(): void {
    this.losses++;
    this.isArmed = false;
    this.heard.lost();
  }
}

const processOf = (info: string): string | undefined => /^run_id:(\w+)/m.exec(info)?.[1];

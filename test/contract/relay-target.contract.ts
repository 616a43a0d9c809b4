import { LinkedEvent } from '../../src/infra/events/recorded-event';
import { Superseded } from '../../src/infra/events/superseded';
import { RelayTarget } from '../../src/infra/events/targets/relay-target';
import { eventually } from '../support/event-world';

/** What subscribers read. */
export interface ReadEvent {
  event_id: string;
  subject: string;
  chain_position: string;
  data: string;
}

export interface TargetWorld {
  /** The publisher of a term, not yet claimed. */
  open(term: number): Promise<RelayTarget>;
  /** Everything that is there, in the order of each subject. */
  read(): Promise<ReadEvent[]>;
  /** Nothing answers any more; connections stay open. */
  freeze(): void;
  thaw(): void;
  /** Whether the target itself refuses a publisher once a later one has come. Kafka's brokers do, those made for tests don't. */
  refusesSuperseded: boolean;
  stop(): Promise<void>;
}

/** No wait of a target is longer: the deadlines of both are set to one second, and a batch may take two. */
const WAITED_MS = 3_500;

/** What every target of the relay keeps. */
export function relayTargetContract(name: string, make: () => Promise<TargetWorld>): void {
  describe(`${name}, as a target of the relay,`, () => {
    let world: TargetWorld;
    let target: RelayTarget;
    let term = 0;
    let position = 0;

    const event = (subject: string, text = ''): LinkedEvent => ({
      eventId: `event-${++position}`,
      type: 'user.updated',
      timestamp: new Date(),
      source: 'user_service',
      priority: 'normal',
      subject,
      actor: subject,
      resource: null,
      data: { fields: [text] },
      metadata: {},
      position,
      day: '2026-01-02',
      hash: Buffer.alloc(32, position),
    });
    const events = (count: number, subjects = 1): LinkedEvent[] =>
      Array.from({ length: count }, (_, i) => event(`user:${term}-${i % subjects}`));
    const newPublisher = async (): Promise<RelayTarget> => {
      const publisher = await world.open(++term);
      await publisher.held();
      await publisher.claim();
      return publisher;
    };
    /** As the relay does: asks and claims again where it has to, and sends the batch until it is taken. */
    const publish = (batch: LinkedEvent[]): Promise<void> =>
      eventually(() =>
        target
          .held()
          .then(() => target.claim())
          .then(() => target.append(batch))
          .then(
            () => true,
            () => false,
          ),
      );
    const ofSubject = async (subject: string): Promise<string[]> =>
      (await world.read()).filter((read) => read.subject === subject).map(({ event_id }) => event_id);
    const ids = (batch: LinkedEvent[]): string[] => batch.map(({ eventId }) => eventId);

    beforeAll(async () => {
      world = await make();
    });
    afterAll(() => world.stop());
    beforeEach(async () => {
      target = await newPublisher();
    });
    afterEach(() => target.close());

    it('takes a batch of 500 whole, the events of each subject in their order, and nothing else', async () => {
      const before = (await world.read()).length;
      const batch = events(500, 7);
      await target.append(batch);
      const read = await world.read();
      expect(read).toHaveLength(before + 500);
      for (let i = 0; i < 7; i++) {
        const isIts = (one: { subject: string }): boolean => one.subject === `user:${term}-${i}`;
        expect(read.filter(isIts).map(({ event_id }) => event_id)).toEqual(ids(batch.filter(isIts)));
      }
    });

    it('keeps the order of a subject over batches, and tells positions', async () => {
      const [first, second] = [events(3), events(3)];
      await target.append(first);
      await target.append(second);
      const read = (await world.read()).filter(({ subject }) => subject === first[0]!.subject);
      expect(read.map(({ chain_position }) => Number(chain_position))).toEqual(
        [...first, ...second].map((one) => one.position),
      );
    });

    it('takes a large event, and a batch that is larger than a request may be', async () => {
      const batch = Array.from({ length: 4 }, () => event(`user:${term}-large`, 'x'.repeat(400_000)));
      await target.append(batch);
      expect(await ofSubject(`user:${term}-large`)).toEqual(ids(batch));
      const [read] = (await world.read()).filter(({ event_id }) => event_id === batch[0]!.eventId);
      expect(read!.data).toContain('x'.repeat(400_000));
    });

    it('fails in time while nobody answers, and has everything, in order, after a repetition', async () => {
      const [before, lost, after] = [events(2), events(50), events(2)];
      await target.append(before);
      const { connections } = target;
      world.freeze();
      const began = performance.now();
      try {
        await expect(target.append(lost)).rejects.toThrow();
        await expect(target.claim()).rejects.toThrow();
      } finally {
        world.thaw();
      }
      expect(performance.now() - began).toBeLessThan(2 * WAITED_MS);
      await publish(lost);
      await target.append(after);
      expect(target.connections).toBeGreaterThan(connections);
      const read = await ofSubject(before[0]!.subject);
      // It may have come twice: each time whole, and the later ones behind it.
      expect([...new Set(read)]).toEqual(ids([...before, ...lost, ...after]));
      expect(read.slice(-after.length - lost.length)).toEqual(ids([...lost, ...after]));
    });

    it('has nothing of a publisher that never got to append', async () => {
      const before = (await world.read()).length;
      const other = await newPublisher();
      other.close();
      expect(await world.read()).toHaveLength(before);
    });

    it('lets the next publisher go on, and a superseded one invent nothing', async () => {
      const [first, second, late] = [events(2), events(2), events(2)];
      await target.append(first);
      const next = await newPublisher();
      await next.append(second);
      const outcome = await target.append(first).catch((error: Error) => error);
      await next.append(late);
      const read = await ofSubject(first[0]!.subject);
      expect([...new Set(read)].sort()).toEqual([...new Set(ids([...first, ...second, ...late]))].sort());
      if (world.refusesSuperseded) {
        expect(outcome).toBeInstanceOf(Superseded);
        expect(new Set(read).size).toBe(read.length);
      }
      next.close();
    });

    it('takes nothing from a publisher that is closed', async () => {
      target.close();
      await expect(target.append(events(1))).rejects.toThrow();
      await expect(target.claim()).rejects.toThrow();
    });
  });
}

import { Cast } from './cast';
import { Seen } from './fault';
import { guessPassword, knockWhenOver, presentForgeries, signIn, signOut } from './habits/come-and-go';
import { presentSpentTokens, refreshInChains } from './habits/refresh';
import { askPermission, staySignedIn } from './habits/stay-signed-in';
import { askReadiness, askStoreless } from './habits/storeless';
import { Ledger } from './ledger';
import { wellAgain } from './recovery';
import { Habit, Witness } from './witness';
import type { World } from './world';

export interface WatchOptions {
  /** What people do beside the usual. */
  habits?: (cast: Cast) => Habit[];
  /** Whether something that is needed goes away. Where nothing is refused then, nothing was broken, and nothing seen. */
  refuses?: boolean;
  /** Called when all is well again, and nobody asks anything any more. */
  after?: (watch: Watch) => Promise<void>;
}

/** One fault, as everybody concerned sees it. */
export class Watch {
  readonly notes: string[] = [];

  private constructor(
    readonly world: World,
    readonly witness: Witness,
    readonly cast: Cast,
  ) {}

  static async run(
    world: World,
    fault: (watch: Watch) => Promise<void>,
    { habits, refuses = false, after }: WatchOptions,
  ): Promise<Seen> {
    await world.ready();
    const ledger = await Ledger.open(world);
    const witness = new Witness(world.instances);
    const cast = await Cast.gather(witness);
    const watch = new Watch(world, witness, cast);
    witness.begin([
      staySignedIn(cast),
      askPermission(cast),
      refreshInChains(cast),
      presentSpentTokens(cast),
      signIn(cast),
      guessPassword(cast),
      signOut(cast),
      knockWhenOver(cast),
      presentForgeries(cast),
      askStoreless(witness),
      askReadiness(witness),
      ...(habits?.(cast) ?? []),
    ]);
    let wellAfterMs: number | undefined;
    try {
      await world.last(2, 0.7);
      await fault(watch);
      wellAfterMs = await wellAgain(world, cast);
      if (wellAfterMs === undefined) witness.findings.add('it did not get well within a minute');
      await world.last(2, 0.5);
    } finally {
      await witness.end();
    }
    await after?.(watch);
    witness.close();
    await ledger.check(cast.people, witness.findings);
    const { answers, slowestMs, findings } = witness;
    if (refuses && !answers['503']) findings.add('the drill itself failed', 'nothing was refused');
    for (const { name, crashes } of world.instances)
      for (const crash of crashes.splice(0)) findings.add(`instance ${name} ended by itself`, crash);
    return { answers, slowestMs, wellAfterMs, notes: watch.notes, broken: findings.texts() };
  }

  /** For the row of the table. */
  note(text: string): void {
    this.notes.push(text);
  }

  /** Something that was promised was not kept. */
  broken(what: string, detail?: string): void {
    this.witness.findings.add(what, detail);
  }

  /** Lets people go on while it is broken. @param quickSeconds in the quick half. */
  async last(seconds: number, quickSeconds?: number): Promise<void> {
    await this.world.last(seconds, quickSeconds);
  }
}

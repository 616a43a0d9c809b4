import { Instance } from './instance';
import { People, tokensOf, Tokens } from './people';
import { Witness } from './witness';

const LIVING = 4;
const CHAINS = 4;
const REUSED = 4;

/** Somebody who stays signed in. */
export interface Member {
  tokens: Tokens;
}

/** A session that is over for good. */
export interface Dead {
  accessToken: string;
  refreshToken?: string;
  why: string;
}

/** Who takes part in one fault: nobody of an earlier one, so that nothing of that is carried over. */
export class Cast {
  readonly living: Member[];
  readonly chains: Member[];
  /** Refresh tokens that were exchanged twice, and who they were of. */
  readonly spent: { tokens: Tokens; first: string }[] = [];
  readonly dead: Dead[] = [];
  /** Whether a session may be over that nobody has ended. */
  isExcused = false;

  private constructor(
    readonly witness: Witness,
    readonly people: People,
    members: Tokens[],
  ) {
    const all = members.map((tokens) => ({ tokens }));
    this.living = all.slice(0, LIVING);
    this.chains = all.slice(LIVING);
  }

  /** @throws Error where something is broken already. */
  static async gather(witness: Witness): Promise<Cast> {
    const people = new People(witness);
    const cast = new Cast(witness, people, await people.enrolMany(LIVING + CHAINS));
    const [a, b] = witness.instances;
    for (const tokens of await people.enrolMany(REUSED)) {
      let { refreshToken } = tokens;
      for (const instance of [a, b]) {
        const answer = await people.refresh(instance, refreshToken);
        if (answer.status !== 200) throw new Error(`nobody can refresh: ${answer.status} ${answer.code}`);
        refreshToken = tokensOf(answer).refreshToken;
      }
      cast.spent.push({ tokens, first: tokens.refreshToken });
    }
    const leaver = await people.enrol();
    const { status } = await people.signOut(a, leaver);
    if (status !== 200) throw new Error(`nobody can sign out: ${status}`);
    cast.bury(leaver, 'was signed out before');
    return cast;
  }

  /** From now on this session must not be let in anywhere. */
  bury({ accessToken, refreshToken }: Pick<Dead, 'accessToken' | 'refreshToken'>, why: string): void {
    this.dead.push({ accessToken, refreshToken, why });
  }

  /**
   * From now on Redis may have lost sessions: whoever is refused signs in again.
   * @returns what they hold at this moment.
   */
  excuse(): Tokens[] {
    this.isExcused = true;
    return [...this.living, ...this.chains].map(({ tokens }) => tokens);
  }

  /** For somebody who was refused. */
  async signInAgain(instance: Instance, member: Member): Promise<void> {
    const tokens = await this.people.signIn(instance, member.tokens.person);
    if (tokens) member.tokens = tokens;
  }
}

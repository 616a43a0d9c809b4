import { randomBytes } from 'node:crypto';
import { Instance } from './instance';
import { Answer, Witness } from './witness';

const PASSWORD = 'Ganga-Sunrise-42!';

export interface Person {
  email: string;
}

/** What a sign-in gave, and a refresh replaces in part. */
export interface Tokens {
  person: Person;
  userId: string;
  sessionId: string;
  accessToken: string;
  refreshToken: string;
}

/** People who sign up, in and out; it remembers what must be on record because of what they were told. */
export class People {
  /** Sessions whose sign-in was answered 200. */
  readonly signedIn = new Set<string>();
  /** Sessions whose sign-out was answered 200. */
  readonly signedOut = new Set<string>();
  /** Sign-ins of which nobody knows what became of them. */
  unclearSignIns = 0;
  /** The same of sign-outs. */
  unclearSignOuts = 0;

  constructor(private readonly witness: Witness) {}

  /** @throws Error where it fails: there has to be somebody before anything breaks. */
  async enrol(): Promise<Tokens> {
    const person = { email: `p${randomBytes(8).toString('hex')}@example.org` };
    const [instance] = this.witness.instances;
    const { status, body } = await this.witness.ask(instance, {
      method: 'POST',
      path: '/v1/auth/register',
      body: { email: person.email, password: PASSWORD, name: 'Asha Rao' },
    });
    const tokens = status === 201 ? await this.signIn(instance, person) : undefined;
    if (!tokens) throw new Error(`nobody can sign up: ${status} ${JSON.stringify(body)}`);
    return tokens;
  }

  async enrolMany(count: number): Promise<Tokens[]> {
    return Promise.all(Array.from({ length: count }, () => this.enrol()));
  }

  /** @returns undefined where it was refused for now, or not answered. */
  async signIn(instance: Instance, person: Person): Promise<Tokens | undefined> {
    const answer = await this.witness.ask(instance, {
      method: 'POST',
      path: '/v1/auth/login',
      body: { email: person.email, password: PASSWORD, token_delivery: 'body' },
    });
    if (answer.status !== 200) {
      this.unclearSignIns++;
      if (answer.status !== 503 && answer.status !== 0)
        this.witness.findings.add(`a right password was answered ${answer.status}`, answer.code);
      return undefined;
    }
    const body = answer.body as { session_id: string; user: { user_id: string } };
    this.signedIn.add(body.session_id);
    return { person, userId: body.user.user_id, sessionId: body.session_id, ...tokensOf(answer) };
  }

  async wrongPassword(instance: Instance, { email }: Person): Promise<void> {
    const { status } = await this.witness.ask(instance, {
      method: 'POST',
      path: '/v1/auth/login',
      body: { email, password: 'Wrong-Password-1!', token_delivery: 'body' },
    });
    if (status === 200) this.witness.findings.add('a wrong password got in', instance.name);
  }

  refresh(instance: Instance, refreshToken: string): Promise<Answer> {
    return this.witness.ask(instance, {
      method: 'POST',
      path: '/v1/auth/refresh',
      body: { refresh_token: refreshToken },
    });
  }

  async signOut(instance: Instance, tokens: Tokens): Promise<Answer> {
    const answer = await this.witness.ask(instance, {
      method: 'POST',
      path: '/v1/auth/logout',
      token: tokens.accessToken,
      body: {},
    });
    if (answer.status === 200) this.signedOut.add(tokens.sessionId);
    else this.unclearSignOuts++;
    return answer;
  }

  me(instance: Instance, accessToken: string): Promise<Answer> {
    return this.witness.ask(instance, { method: 'GET', path: '/v1/users/me', token: accessToken });
  }
}

/** Of the reply to a sign-in or a refresh. */
export function tokensOf({ body }: Answer): { accessToken: string; refreshToken: string } {
  const { access_token, refresh_token } = body as { access_token: string; refresh_token: string };
  return { accessToken: access_token, refreshToken: refresh_token };
}

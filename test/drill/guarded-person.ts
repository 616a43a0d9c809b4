import { generateSync } from 'otplib';
import { Instance } from './instance';
import { Tokens } from './people';
import type { Watch } from './watch';
import { Answer } from './witness';

const STEP_S = 30;
const PASSWORD = 'Ganga-Sunrise-42!';

/** Somebody with an authenticator, whose clock is right. */
export class GuardedPerson {
  private constructor(
    private readonly watch: Watch,
    private readonly tokens: Tokens,
    private readonly secret: string,
  ) {}

  /** @throws Error where the authenticator is not taken. */
  static async enrol(watch: Watch): Promise<GuardedPerson> {
    const [instance] = watch.witness.instances;
    const tokens = await watch.cast.people.enrol();
    const post = (path: string, body: object): Promise<Answer> =>
      watch.witness.ask(instance, { method: 'POST', path, body, token: tokens.accessToken });
    const { secret } = (await post('/v1/mfa/totp/setup', {})).body as { secret: string };
    const enabled = await post('/v1/mfa/totp/enable', { code: codeOf(secret, 0) });
    if (enabled.status !== 200)
      throw new Error(`no authenticator is taken: ${enabled.status} ${enabled.code}`);
    return new GuardedPerson(watch, tokens, secret);
  }

  /** With the code after the one that has turned it on: once. Tells where it is refused. */
  async signIn(instance: Instance): Promise<void> {
    const { witness, cast } = this.watch;
    const ask = (path: string, body: object): Promise<Answer> =>
      witness.ask(instance, { method: 'POST', path, body });
    const { email } = this.tokens.person;
    const begun = await ask('/v1/auth/login', { email, password: PASSWORD, token_delivery: 'body' });
    if (begun.wasAbsent) return;
    const { mfa_token } = begun.body;
    const proved = await ask('/v1/auth/mfa/verify', { mfa_token, code: codeOf(this.secret, 1) });
    if (proved.status === 200) cast.people.signedIn.add(proved.body.session_id as string);
    else cast.people.unclearSignIns++;
    if (proved.status !== 200 && !proved.wasAbsent)
      this.watch.broken(
        'a right code was refused',
        `instance ${instance.name}: ${begun.status}, ${proved.status} ${proved.code}`,
      );
  }
}

const codeOf = (secret: string, step: number): string =>
  generateSync({ secret, epoch: Math.floor(Date.now() / 1000) + step * STEP_S });

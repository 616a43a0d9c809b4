import { setTimeout as sleep } from 'node:timers/promises';
import { KMS, Kms } from '../../src/infra/kms/kms';
import { LocalKms } from '../../src/infra/kms/local-kms';
import { TestService } from './app';
import { beginSignIn, newGuarded } from './authenticator';
import { HandOffReads, startHandOffs } from './hand-off-readers';
import { newSignedIn, signIn, SignedIn } from './people';
import { wrappedOf, WrappedSecretRow } from './wrapped-rows';

export interface KeyReaders {
  readonly reads: Record<'unwraps' | 'signIns' | 'refreshes' | 'secondFactors', number> & HandOffReads;
  /** Of everything that did not work, or gave another secret. */
  readonly failures: string[];
  stop(): Promise<void>;
}

/**
 * 20 who need what is under the master key, again and again: two other instances' KMS and the service's own unwrap these
 * rows, and over HTTP people sign in, with a second factor too, and refresh, and services get credentials of accounts.
 */
export async function startReaders(
  service: TestService,
  keyFile: string,
  rows: WrappedSecretRow[],
): Promise<KeyReaders> {
  const [guarded, members, handOffs] = await Promise.all([
    Promise.all(Array.from({ length: 5 }, () => newGuarded(service))),
    Promise.all(Array.from({ length: 3 }, () => newSignedIn(service))),
    startHandOffs(service, keyFile),
  ]);
  const instances = [
    await LocalKms.fromFile(keyFile),
    await LocalKms.fromFile(keyFile),
    service.app.get<Kms>(KMS),
  ];
  const reads = Object.assign(handOffs.reads, { unwraps: 0, signIns: 0, refreshes: 0, secondFactors: 0 });
  const failures: string[] = [];
  let stopped = false;

  const tried = (work: () => Promise<unknown>): Promise<unknown> =>
    work().catch((error: Error) => failures.push(error.message));
  const again = async (pause: number, work: () => Promise<unknown>): Promise<void> => {
    while (!stopped) {
      await tried(work);
      await sleep(pause);
    }
  };
  const unwrapSome = async (reader: Kms): Promise<void> => {
    const row = rows[Math.floor(Math.random() * rows.length)]!;
    const secret = await reader.unwrap(await wrappedOf(service, row), row.context);
    if (!secret.equals(row.secret)) throw new Error(`${row.kind} ${row.id} is another`);
    reads.unwraps++;
  };
  const refresh = async (member: SignedIn): Promise<void> => {
    const { body } = await service
      .client()
      .post('/v1/auth/refresh', { refresh_token: member.refreshToken })
      .expect(200);
    member.refreshToken = body.refresh_token;
    reads.refreshes++;
  };
  const signInOnce = async ({ person }: SignedIn): Promise<void> => {
    await signIn(service, person);
    reads.signIns++;
  };
  /** Each once: a code is good for one sign-in. */
  const proveSecondFactor = async (): Promise<void> => {
    const next = guarded.pop();
    if (!next) return;
    const mfa_token = await beginSignIn(service, next.member.person);
    await service
      .client()
      .post('/v1/auth/mfa/verify', { mfa_token, code: next.phone.code(1) })
      .expect(200);
    reads.secondFactors++;
  };

  const running = [
    ...Array.from({ length: 8 }, (_, i) => again(10, () => unwrapSome(instances[i % 3]!))),
    ...handOffs.readers.map((read) => again(150, read)),
    ...members.map((member) => {
      const session = { ...member };
      return again(50, () => refresh(session));
    }),
    ...members.map((member) => again(100, () => signInOnce(member))),
    ...Array.from({ length: 2 }, () => again(700, proveSecondFactor)),
  ];
  expect(running).toHaveLength(20);
  return {
    reads,
    failures,
    stop: async () => {
      stopped = true;
      await Promise.all(running);
      // However slow the machine is, each has read what is there in the end.
      for (const read of handOffs.readers) await tried(read);
      await handOffs.stop();
    },
  };
}

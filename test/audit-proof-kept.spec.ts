import { CompactSign, decodeJwt, exportJWK, generateKeyPair, calculateJwkThumbprint } from 'jose';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CannotCheck } from '../src/audit/proof/proof-source';
import { proofText } from '../src/audit/proof/proof-text';
import { ProofReport } from '../src/audit/proof/verify-chain';
import { SEAL_TYPE } from '../src/audit/seals/seal';
import { AuditCopy, AuditWorld, dayFromToday, verdict } from './support/audit-world';
import { CommandLine } from './support/command-line';

/** Positions 1–3, 4–5, none, 6–9, 10–12, and 13–14 today, which is not sealed. */
const DAYS = { [-5]: 3, [-4]: 2, [-3]: 0, [-2]: 4, [-1]: 3, 0: 2 };

const firstLine = (report: ProofReport): string => proofText(report).split('\n')[0]!;
const asItWasUntil = (days: number): string => `Everything up to ${dayFromToday(days)} is as it was.`;

describe('seals that were kept elsewhere', () => {
  let world: AuditWorld;
  /** Of all days, oldest first. */
  let kept: string[];

  beforeAll(async () => {
    world = await AuditWorld.create(DAYS);
    const rows = await (
      await world.copy()
    ).attack<{ jws: string }>('SELECT jws FROM event_seals ORDER BY day');
    kept = rows.map(({ jws }) => jws);
  }, 60_000);
  afterAll(() => world.remove());

  /** The database as it was once: so many links, and the seals up to a day. */
  const earlier = async (links: number, sealedUntil: number): Promise<AuditCopy> => {
    const copy = await world.copy();
    const later = `(SELECT event_id FROM event_chain WHERE position > ${links})`;
    await copy.attack(
      `DELETE FROM event_personal_data WHERE event_id IN ${later}`,
      `DELETE FROM events WHERE event_id IN ${later}`,
      `DELETE FROM event_chain WHERE position > ${links}`,
      `DELETE FROM event_seals WHERE day > '${dayFromToday(sealedUntil)}'`,
      `UPDATE event_relay SET (chain_position, chain_hash) =
         (SELECT position, hash FROM event_chain ORDER BY position DESC LIMIT 1)`,
    );
    return copy;
  };
  const without = (copy: AuditCopy, ...days: number[]): Promise<object[]> =>
    copy.attack(
      ...days.map((day) => `DELETE FROM event_seals WHERE day = '${dayFromToday(day)}'`),
      'SELECT 1',
    );
  /** A seal of somebody else's key, like one of ours but for some members. */
  const sealOf = async (like: string, members: Record<string, unknown>): Promise<string> => {
    const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true });
    const kid = await calculateJwkThumbprint(await exportJWK(publicKey));
    return new CompactSign(Buffer.from(JSON.stringify({ ...decodeJwt(like), ...members })))
      .setProtectedHeader({ alg: 'RS256', typ: SEAL_TYPE, kid })
      .sign(privateKey);
  };

  it.each([-5, -4, -3, -2, -1, 0])(
    'are not missed where they are of days after those that were asked for: %i',
    async (to) => {
      const range = { to: dayFromToday(to) };
      const copy = await world.copy();
      const live = await copy.verify(range, { kept });
      const file = await copy.verifyFile(await copy.export(range), { kept });
      expect([verdict(live), verdict(file)]).toEqual(['as it was', 'as it was']);
      if (to === 0) expect(proofText(file)).not.toContain('kept seals');
    },
  );

  it('are counted where nobody looks at them', async () => {
    const copy = await world.copy();
    const range = { to: dayFromToday(-4) };
    const live = proofText(await copy.verify(range, { kept }));
    expect(live).toMatch(/^Everything is as it was\.\n/);
    expect(live).toContain('kept seals after the end of this range: 2, not looked at');
    const file = proofText(await copy.verifyFile(await copy.export(range), { kept }));
    // The day after had no events: its seal fits the end.
    expect(file.split('\n')[0]).toBe(asItWasUntil(-3));
    expect(file).toContain('kept seals after the end of this export: 2, not looked at');
  });

  it.each([
    // The file can have been made before its last day was sealed, and the kept seal proves its links.
    ['the last of the days that were asked for', -2, 'seal@9', 'as it was'],
    ['one before', -4, 'seal@5', 'seal@5'],
    ['the first', -5, 'seal@3', 'seal@3'],
  ])('are missed where one is gone of %s', async (_, day, live, file) => {
    const copy = await world.copy();
    await without(copy, day);
    const range = { to: dayFromToday(-2) };
    expect(verdict(await copy.verify(range, { kept: [kept[day + 5]!] }))).toBe(live);
    expect(verdict(await copy.verifyFile(await copy.export(range), { kept: [kept[day + 5]!] }))).toBe(file);
  });

  it('are all missed in a database, without an end that was asked for', async () => {
    const copy = await earlier(9, -2);
    expect(verdict(await copy.verify())).toBe('as it was');
    expect(verdict(await copy.verify({}, { kept }))).toBe('seal@12');
  });

  it('are not missed in an export that is older than they are, and the verdict says how far it goes', async () => {
    const copy = await earlier(11, -2);
    const report = await copy.verifyFile(await copy.export(), { kept });
    expect([verdict(report), firstLine(report)]).toEqual(['as it was', asItWasUntil(-2)]);
    expect(proofText(report)).toContain('kept seals after the end of this export: 1, not looked at');
    const all = await copy.verifyFile(await copy.export(), { kept: kept.slice(0, -1) });
    expect(firstLine(all)).toBe('Everything is as it was.');
  });

  it('prove nothing of an export that has none, and is shorter than what they cover: that is no proof', async () => {
    const copy = await earlier(2, -6);
    const file = await copy.export();
    expect(verdict(await copy.verifyFile(file))).toBe('as it was');
    await expect(copy.verifyFile(file, { kept })).rejects.toThrow(CannotCheck);
  });

  it('are missed in an export that has later ones', async () => {
    const copy = await world.copy();
    await without(copy, -3);
    const file = await copy.export();
    expect((await copy.verifyFile(file, { kept })).findings.total).toBe(
      (await copy.verifyFile(file)).findings.total + 1,
    );
  });

  it('prove the links of an export that was made before they were', async () => {
    const copy = await earlier(14, -4);
    const file = await copy.export();
    const report = await copy.verifyFile(file, { kept });
    expect([verdict(report), firstLine(report)]).toEqual(['as it was', 'Everything is as it was.']);
    expect([report.unsealed, report.unsealedSince]).toEqual([2, dayFromToday(0)]);
    expect((await copy.verifyFile(file)).unsealed).toBe(9);
  });

  it('tell of links behind the last seal of an export that were made anew', async () => {
    const copy = await earlier(14, -2);
    await copy.attack(
      `UPDATE events SET actor = 'x' WHERE event_id = (SELECT event_id FROM event_chain WHERE position = 11)`,
    );
    await copy.relink(11);
    const file = await copy.export();
    expect(verdict(await copy.verifyFile(file))).toBe('as it was');
    expect(verdict(await copy.verifyFile(file, { kept }))).toBe('seal@12');
  });

  it.each([
    ['into a sealed day', 13, -1],
    ['out of it', 12, 0],
    ['to the day before, together with all others', 10, -2],
  ])('tell of links behind the last seal of an export whose day was changed %s', async (_, position, day) => {
    const copy = await earlier(14, -2);
    const until = position === 10 ? 12 : position;
    await copy.attack(
      `UPDATE event_chain SET day = '${dayFromToday(day)}' WHERE position BETWEEN ${position} AND ${until}`,
    );
    expect(verdict(await copy.verifyFile(await copy.export(), { kept }))).toBe(`seal@${position}`);
  });

  it('tell of an export whose seals were all taken away and whose links were made anew', async () => {
    const copy = await world.copy();
    await copy.attack(
      `UPDATE events SET actor = 'x' WHERE event_id = (SELECT event_id FROM event_chain WHERE position = 2)`,
      'DELETE FROM event_seals',
    );
    await copy.relink(2);
    const file = await copy.export();
    expect(verdict(await copy.verifyFile(file))).toBe('as it was');
    expect(verdict(await copy.verifyFile(file, { kept }))).toBe('seal@3');
  });

  it('are not missed where only the end of an export was cut off, which nobody can tell from an older one: it says so', async () => {
    const copy = await world.copy();
    const lines = (await readFile(await copy.export(), 'utf8')).trim().split('\n');
    const tenth = lines.findIndex((line) => line.startsWith('{"link":{"position":10,'));
    const { hash } = (JSON.parse(lines[tenth - 1]!) as { link: { hash: string } }).link;
    const file = join(world.folder, 'cut');
    const cut = lines
      .slice(0, tenth)
      .filter((line) => !line.startsWith(`{"seal":{"day":"${dayFromToday(-1)}"`));
    await writeFile(
      file,
      [...cut, `{"end":{"unlinked":0,"head":{"position":9,"hash":"${hash}"}}}`, ''].join('\n'),
    );
    const report = await copy.verifyFile(file, { kept });
    expect([verdict(report), firstLine(report)]).toEqual(['as it was', asItWasUntil(-2)]);
    expect(proofText(report)).toContain('cut off');
  });

  it('do not excuse a seal of a later day that was left in an export whose links were cut off', async () => {
    const copy = await world.copy();
    const text = await readFile(await copy.export({ to: dayFromToday(-2) }), 'utf8');
    const lines = text.replace(`"to":"${dayFromToday(-2)}"`, `"to":"${dayFromToday(-4)}"`).split('\n');
    const sixth = lines.findIndex((line) => line.startsWith('{"link":{"position":6,'));
    const file = join(world.folder, 'left');
    await writeFile(file, [...lines.slice(0, sixth), ...lines.slice(-2)].join('\n'));
    const report = await copy.verifyFile(file, { kept });
    expect(verdict(report)).toBe('inserted@6');
  });

  it('are looked at as far as they are genuine', async () => {
    const copy = await earlier(9, -2);
    const file = await copy.export();
    const [header, , signature] = kept.at(-1)!.split('.') as [string, string, string];
    const payload = { ...decodeJwt(kept[0]!), day: dayFromToday(-1) };
    const forged = [header, Buffer.from(JSON.stringify(payload)).toString('base64url'), signature].join('.');
    expect(verdict(await copy.verifyFile(file, { kept: [forged] }))).toMatch(/^seal@/);
    expect(verdict(await copy.verifyFile(file, { kept: ['x'] }))).toBe('seal@none');
    expect(verdict(await copy.verifyFile(file, { kept: ['', 'e30.e30.e30'] }))).toBe('seal@none');
  });

  it('may be of a later day and by a key that the export does not know yet', async () => {
    const copy = await earlier(9, -2);
    const file = await copy.export();
    const next = await sealOf(kept.at(-1)!, {});
    expect(verdict(await copy.verifyFile(file, { kept: [...kept.slice(0, -1), next] }))).toBe('as it was');
    const ofThen = await sealOf(kept[3]!, {});
    expect(verdict(await copy.verifyFile(file, { kept: [ofThen] }))).toBe('seal@9');
  });

  it('prove nothing where their key is not there', async () => {
    const copy = await earlier(14, -2);
    const report = await copy.verifyFile(await copy.export(), { kept: [await sealOf(kept.at(-1)!, {})] });
    expect([verdict(report), firstLine(report)]).toEqual(['as it was', asItWasUntil(-2)]);
    expect(proofText(report)).toContain('kept seals after the end of this export: 1, not looked at');
  });

  it('tell of an export that they do not go on from', async () => {
    const copy = await earlier(9, -2);
    const file = await copy.export();
    const after = await sealOf(kept.at(-1)!, { previous: 'another' });
    expect(verdict(await copy.verifyFile(file, { kept: [after] }))).toBe('seal@12');
    const overlapping = await sealOf(kept.at(-1)!, { day: dayFromToday(0), first_position: 9 });
    expect(verdict(await copy.verifyFile(file, { kept: [overlapping] }))).toBe('seal@12');
  });

  it('are not missed on the command line', async () => {
    const { DATABASE_URL: databaseUrl, REDIS_URL: redisUrl } = world.config;
    const commands = new CommandLine({ databaseUrl, redisUrl });
    const seals = join(world.folder, 'seals.txt');
    // As a daily `>>` leaves them.
    await writeFile(seals, [...kept.slice(0, 2), ...kept, ''].join('\n'));
    const copy = await world.copy();
    const old = await copy.export({ to: dayFromToday(-4) });
    try {
      const live = await commands.run(['audit', 'verify', '--to', dayFromToday(-4), '--seals', seals]);
      const file = await commands.run(['audit', 'verify', '--export', old, '--seals', seals]);
      expect([live.code, file.code]).toEqual([0, 0]);
      expect(file.stdout).toContain('2, not looked at');
    } finally {
      commands.remove();
    }
  }, 60_000);
});

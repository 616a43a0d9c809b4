import { Logger } from '@nestjs/common';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../config/config';
import { Countries } from './countries';

const BUNDLED = require.resolve('@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb');

describe('Countries', () => {
  const folder = mkdtempSync(join(tmpdir(), 'user-service-geo-'));
  let warnings: unknown[];
  beforeEach(() => {
    warnings = [];
    const ignore = (): void => {};
    Logger.overrideLogger({ log: ignore, error: ignore, warn: (text: unknown) => warnings.push(text) });
  });
  afterAll(() => {
    Logger.overrideLogger(false);
    rmSync(folder, { recursive: true });
  });

  const open = async (GEOIP_DATABASE_PATH = ''): Promise<Countries> => {
    const countries = new Countries(loadConfig({ GEOIP_DATABASE_PATH }));
    await countries.onModuleInit();
    return countries;
  };

  describe('of the bundled database', () => {
    let countries: Countries;
    beforeAll(async () => {
      countries = await open();
    });

    it.each([
      ['8.8.8.8', 'US'],
      ['2001:4860:4860::8888', 'US'],
      ['117.192.0.1', 'IN'],
      ['2405:200::1', 'IN'],
      ['193.0.6.139', 'NL'],
    ])('know %s in %s', (address, country) => expect(countries.of(address)).toBe(country));

    it.each([
      '127.0.0.1',
      '10.1.2.3',
      '172.16.0.1',
      '172.31.255.254',
      '100.64.0.1',
      '192.168.1.1',
      '169.254.1.1',
      '0.0.0.0',
      '::1',
      'fd00::1',
      'fe80::1',
      '',
      'unknown',
      '8.8.8',
      '8.8.8.8:53',
      '8.8.8.8, 1.1.1.1',
      "' OR 1=1",
    ])('know nothing of %j', (address) => expect(countries.of(address)).toBeNull());
  });

  it('come from another file where one is named', async () => {
    const path = join(folder, 'own.mmdb');
    copyFileSync(BUNDLED, path);
    expect((await open(path)).of('8.8.8.8')).toBe('US');
    expect(warnings).toEqual([]);
  });

  it('stay unknown, with one warning, where the file is missing or no database', async () => {
    const garbage = join(folder, 'garbage.mmdb');
    writeFileSync(garbage, 'no database at all');
    for (const path of [join(folder, 'none.mmdb'), garbage]) {
      warnings = [];
      expect((await open(path)).of('8.8.8.8')).toBeNull();
      expect(warnings).toEqual([expect.stringMatching(/^countries stay unknown: ./)]);
    }
  });
});

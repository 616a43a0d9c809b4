import { Inject, Injectable, Logger, OnModuleInit } from '@nestjs/common';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { CountryResponse, Reader } from 'mmdb-lib';
import { Cidr, inRanges, parseCidr } from '../../config/cidr';
import { CONFIG, Config } from '../../config/config';

const BUNDLED = '@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb';

/** The flat layout of the bundled database; MaxMind's own nests the code. */
type Found = { country_code?: string } & Partial<CountryResponse>;

// The bundled database gives some of them the country of whoever is named for them in whois.
const PRIVATE = ['10.0.0.0/8', '100.64.0.0/10', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7']
  .map(parseCidr)
  .filter((range): range is Cidr => range !== null);

/** Countries of addresses, from a database on disk: nobody is asked over the network. */
@Injectable()
export class Countries implements OnModuleInit {
  private reader?: Reader<CountryResponse>;
  private readonly logger = new Logger(Countries.name);

  constructor(@Inject(CONFIG) private readonly config: Config) {}

  async onModuleInit(): Promise<void> {
    const path = this.config.GEOIP_DATABASE_PATH || require.resolve(BUNDLED);
    try {
      this.reader = new Reader<CountryResponse>(await readFile(path));
    } catch (error) {
      this.logger.warn(`countries stay unknown: ${(error as Error).message}`);
    }
  }

  /** ISO 3166-1 alpha-2; null for private and unknown addresses. */
  of(address: string): string | null {
    // The reader would take the beginning of a text for an address.
    if (!isIP(address) || inRanges(address, PRIVATE)) return null;
    try {
      const found: Found | null | undefined = this.reader?.get(address);
      return found?.country_code ?? found?.country?.iso_code ?? null;
    } catch {
      return null;
    }
  }
}

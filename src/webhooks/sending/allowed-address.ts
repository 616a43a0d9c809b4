import { Inject, Injectable } from '@nestjs/common';
import { isIPv6, LookupFunction } from 'node:net';
import { CONFIG, Config } from '../../config/config';
import { NameResolver } from './name-resolver';
import { isInNetworks, isPublicAddress } from './public-address';
import { SendFailure } from './send-failure';

/** Where a request may go: found once, and connected to as it was found, so that a name cannot mean something else by then. */
@Injectable()
export class AllowedAddress {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly names: NameResolver,
  ) {}

  /**
   * The addresses of a URL's host, as the `lookup` of the one connection that is made to it. One that is not public
   * refuses them all: a name that has both is a mistake, or an attack (DNS rebinding).
   * @throws SendFailure; what the name server said
   */
  async of(url: URL, signal: AbortSignal): Promise<LookupFunction> {
    const networks = this.config.WEBHOOK_PRIVATE_NETWORKS;
    const addresses = await this.names.addressesOf(url.hostname, signal);
    if (addresses.length === 0) throw new SendFailure('the name does not resolve');
    if (!addresses.every((address) => isPublicAddress(address, networks)))
      throw new SendFailure('the address is not public');
    if (url.protocol !== 'https:' && !addresses.every((address) => isInNetworks(address, networks)))
      throw new SendFailure('without TLS only networks of our own are reached');
    return pinned(addresses);
  }
}

function pinned(addresses: readonly string[]): LookupFunction {
  const found = addresses.map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }));
  return (_host, options, answer) => {
    if (options.all) answer(null, found);
    else answer(null, found[0]!.address, found[0]!.family);
  };
}

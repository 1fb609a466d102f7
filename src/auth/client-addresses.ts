import { BlockList, isIPv4 } from 'node:net';
import { parseAddress, parseAddressRange } from '../domain/network-address.js';

/** A socket without an address, as of a pipe. All of them are one caller. */
const NO_ADDRESS = '0.0.0.0';

/**
 * Tells where a request comes from. Anybody can write anything into `X-Forwarded-For`; what counts is what the proxies
 * that are trusted wrote: the list is read from its end, for as long as the one who wrote an entry is one of them.
 */
export class ClientAddresses {
  private readonly trusted = new BlockList();

  /** `ranges`: addresses and CIDR ranges of the proxies in front. None: nobody is believed but the socket. */
  constructor(ranges: readonly string[]) {
    for (const text of ranges) {
      const range = parseAddressRange(text);
      if (range !== null) this.trusted.addSubnet(range.address, range.bits, range.family);
    }
  }

  /** `peer`: who holds the other end of the connection; `forwardedFor`: the header, repeated ones joined by commas. */
  find(peer: string | undefined, forwardedFor: string | undefined): string {
    let client = parseAddress(peer ?? '') ?? NO_ADDRESS;
    if (forwardedFor === undefined) return client;
    let end = forwardedFor.length;
    while (end > 0 && this.isTrusted(client)) {
      const comma = forwardedFor.lastIndexOf(',', end - 1);
      const entry = parseAddress(forwardedFor.slice(comma + 1, end));
      // What is no address says nothing about who is behind the proxy that passed it on.
      if (entry === null) return client;
      client = entry;
      end = comma;
    }
    return client;
  }

  private isTrusted(address: string): boolean {
    return this.trusted.check(address, isIPv4(address) ? 'ipv4' : 'ipv6');
  }
}

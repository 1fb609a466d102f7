import { isIP, isIPv4 } from 'node:net';

/** An IP address, or all that begin with the same bits. */
export interface AddressRange {
  readonly address: string;
  readonly family: 'ipv4' | 'ipv6';
  readonly bits: number;
}

const WITH_PORT = /^(?:\[([^\]]*)\]|(\d+\.\d+\.\d+\.\d+))(?::\d{1,5})?$/;
const NETWORK_GROUPS = 4;

/** `10.0.0.1`, `10.0.0.0/8`, `fd00::/8`; null where a text is neither. */
export function parseAddressRange(text: string): AddressRange | null {
  const [address = '', bits, ...rest] = text.split('/');
  const version = isIP(address);
  if (version === 0 || rest.length > 0) return null;
  const most = version === 4 ? 32 : 128;
  if (bits !== undefined && !(/^\d{1,3}$/.test(bits) && Number(bits) <= most)) return null;
  return { address, family: version === 4 ? 'ipv4' : 'ipv6', bits: bits === undefined ? most : Number(bits) };
}

/**
 * The address in a text as sockets and proxies write it: with a port, in brackets, with a zone. An IPv4 address in the
 * clothes of IPv6 is the IPv4 address. Null where there is none.
 */
export function parseAddress(text: string): string | null {
  const trimmed = text.trim();
  const [, bracketed, withPort] = WITH_PORT.exec(trimmed) ?? [];
  const [address = ''] = (bracketed ?? withPort ?? trimmed).split('%', 1);
  switch (isIP(address)) {
    case 4:
      return address;
    case 6:
      return unmap(groupsOf(address)) ?? address.toLowerCase();
    default:
      return null;
  }
}

/** Who shares its fate: an IPv4 address alone, of IPv6 the /64 that one customer has all of. `address`: parsed. */
export function networkOf(address: string): string {
  if (isIPv4(address)) return address;
  const network = groupsOf(address).slice(0, NETWORK_GROUPS);
  return `${network.map((group) => group.toString(16)).join(':')}::/64`;
}

/** The eight groups of a valid IPv6 address. */
function groupsOf(address: string): number[] {
  const [head = '', tail] = address.split('::');
  const before = readGroups(head);
  if (tail === undefined) return before;
  const after = readGroups(tail);
  return [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after];
}

function readGroups(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number);
    return [a * 256 + b, c * 256 + d];
  });
}

/** `::ffff:10.0.0.1` → `10.0.0.1`; null for any other. */
function unmap(groups: readonly number[]): string | null {
  const [high = 0, low = 0] = groups.slice(6);
  if (groups[5] !== 0xffff || groups.slice(0, 5).some((group) => group !== 0)) return null;
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.');
}

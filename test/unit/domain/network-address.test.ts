import { networkOf, parseAddress, parseAddressRange } from '../../../src/domain/network-address.js';

describe('an address', () => {
  it.each([
    ['10.1.2.3', '10.1.2.3'],
    [' 10.1.2.3\t', '10.1.2.3'],
    ['10.1.2.3:4711', '10.1.2.3'],
    ['[2001:DB8::1]:443', '2001:db8::1'],
    ['[2001:db8::1]', '2001:db8::1'],
    ['2001:db8::1', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['::ffff:10.1.2.3', '10.1.2.3'],
    ['::FFFF:0a01:0203', '10.1.2.3'],
    ['[::ffff:10.1.2.3]:80', '10.1.2.3'],
  ])('is read from %j', (text, address) => {
    expect(parseAddress(text)).toBe(address);
  });

  it.each([
    '',
    'unknown',
    '_hidden',
    '10.1.2',
    '10.1.2.3.4',
    '256.1.1.1',
    '0x7f.1',
    '::1::2',
    '[10.1.2.3',
    'a.b',
    '127.1',
  ])('is not in %j', (text) => {
    expect(parseAddress(text)).toBeNull();
  });
});

describe('the network of an address', () => {
  it.each([
    ['10.1.2.3', '10.1.2.3'],
    ['2001:db8:0:1::1', '2001:db8:0:1::/64'],
    ['2001:db8:0:1:ffff:ffff:ffff:ffff', '2001:db8:0:1::/64'],
    ['2001:db8:0:2::1', '2001:db8:0:2::/64'],
    ['::1', '0:0:0:0::/64'],
    ['1::', '1:0:0:0::/64'],
    ['64:ff9b::192.0.2.33', '64:ff9b:0:0::/64'],
    ['1:2:3:4:5:6:7:8', '1:2:3:4::/64'],
  ])('of %s is %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });
});

describe('a range of addresses', () => {
  it.each([
    ['10.0.0.1', { address: '10.0.0.1', family: 'ipv4', bits: 32 }],
    ['10.0.0.0/8', { address: '10.0.0.0', family: 'ipv4', bits: 8 }],
    ['fd00::/8', { address: 'fd00::', family: 'ipv6', bits: 8 }],
    ['::1', { address: '::1', family: 'ipv6', bits: 128 }],
  ])('is read from %s', (text, range) => {
    expect(parseAddressRange(text)).toEqual(range);
  });

  it.each(['', 'all', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/8/8', 'fd00::/129', '10.0.0.0/-1'])('is not %j', (text) => {
    expect(parseAddressRange(text)).toBeNull();
  });
});

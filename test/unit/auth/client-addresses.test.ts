import { ClientAddresses } from '../../../src/auth/client-addresses.js';

const PROXY = '10.0.0.7';

describe('where a request comes from', () => {
  const addresses = new ClientAddresses(['10.0.0.0/8', '192.0.2.1', 'fd00::/8']);

  it.each([
    ['the socket, where nothing was forwarded', PROXY, undefined, PROXY],
    ['the socket, where it is no proxy of ours', '203.0.113.9', '198.51.100.1', '203.0.113.9'],
    ['what our proxy saw', PROXY, '198.51.100.1', '198.51.100.1'],
    ['what our proxy saw, not what the client says', PROXY, '1.1.1.1, 198.51.100.1', '198.51.100.1'],
    ['what the outer of two proxies saw', PROXY, '1.1.1.1, 198.51.100.1, 192.0.2.1', '198.51.100.1'],
    ['never past a stranger, though he names our proxies', PROXY, '10.9.9.9, 198.51.100.1', '198.51.100.1'],
    ['the first of them, where all are ours', PROXY, '10.1.1.1, 10.2.2.2', '10.1.1.1'],
    ['the proxy, where it passes on nonsense', PROXY, '198.51.100.1, unknown', PROXY],
    ['the last believable one, before nonsense', PROXY, 'unknown, 192.0.2.1', '192.0.2.1'],
    ['the proxy, where nothing stands there', PROXY, '', PROXY],
    ['the proxy, before an empty entry', PROXY, '198.51.100.1,', PROXY],
    ['without the port', PROXY, '198.51.100.1:50000', '198.51.100.1'],
    ['of IPv6 too', 'fd00::1', '[2001:db8::5]:443', '2001:db8::5'],
    ['in IPv6 clothes, as sockets have it', '::ffff:10.0.0.7', '198.51.100.1', '198.51.100.1'],
    ['in IPv6 clothes, as proxies have it', PROXY, '198.51.100.1, ::ffff:10.1.1.1', '198.51.100.1'],
    ['nowhere, where the socket has no address', undefined, '198.51.100.1', '0.0.0.0'],
  ])('is %s', (_name, peer, forwardedFor, client) => {
    expect(addresses.find(peer, forwardedFor)).toBe(client);
  });

  it('is the socket, whatever stands in the header, where no proxy is trusted', () => {
    expect(new ClientAddresses([]).find('127.0.0.1', '198.51.100.1')).toBe('127.0.0.1');
  });
});

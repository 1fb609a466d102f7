import type { IncomingHttpHeaders } from 'node:http';
import { generateApiKey } from '../../../src/auth/api-key.js';
import { readKey } from '../../../src/auth/key-header.js';

describe('the key of a request', () => {
  const { key } = generateApiKey('dev');
  const other = generateApiKey('dev').key;
  const read = (headers: IncomingHttpHeaders) =>
    readKey({ headers, rawHeaders: Object.entries(headers).flat().map(String) });

  it.each([
    [{ authorization: `Bearer ${key}` }],
    [{ authorization: `bearer ${key}` }],
    [{ authorization: `BEARER \t ${key}  ` }],
    [{ 'x-api-key': key }],
    [{ 'api-key': key }],
    [{ 'x-api-key': key, authorization: `Bearer ${key}`, 'api-key': key }],
    [{ 'x-api-key': key, authorization: 'Basic dXNlcjpwYXNz' }],
  ])('is found in %j', (headers) => {
    expect(read(headers)).toEqual({ kind: 'key', key });
  });

  it.each([
    [{}],
    [{ authorization: key }],
    [{ authorization: 'Bearer' }],
    [{ authorization: 'Bearer ' }],
    [{ authorization: `Basic ${key}` }],
    [{ 'x-api-key': '' }],
  ])('is absent in %j', (headers) => {
    expect(read(headers)).toEqual({ kind: 'absent' });
  });

  it.each([
    [{ authorization: `Bearer ${key} ${key}` }],
    [{ 'x-api-key': `${key}, ${key}` }],
    [{ 'x-api-key': key.slice(0, -1) }],
  ])('is as it was written in %j', (headers) => {
    expect(read(headers)).not.toEqual({ kind: 'key', key });
    expect(read(headers).kind).toBe('key');
  });

  it('is nobody knows which where two headers give two', () => {
    expect(read({ 'x-api-key': key, authorization: `Bearer ${other}` })).toEqual({ kind: 'conflict' });
    expect(read({ 'x-api-key': key, 'api-key': other })).toEqual({ kind: 'conflict' });
    const rawHeaders = ['Authorization', `Bearer ${key}`, 'authorization', `Bearer ${key}`];
    expect(readKey({ headers: { authorization: `Bearer ${key}` }, rawHeaders })).toEqual({ kind: 'conflict' });
  });
});

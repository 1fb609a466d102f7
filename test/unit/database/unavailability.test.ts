import { QueryFailedError } from 'typeorm';
import { isUnavailability } from '../../../src/database/database.errors.js';

/** As TypeORM throws what the driver got. */
function failure(code: string | undefined): Error {
  return new QueryFailedError('SELECT 1', [], Object.assign(new Error('message of the driver'), { code }));
}

describe('a failed statement', () => {
  it.each([
    ['a refused connection', 'ECONNREFUSED'],
    ['a reset connection', 'ECONNRESET'],
    ['a connection closed by the server', 'EPIPE'],
    ['a limit of time', undefined],
    ['a shutdown', '57P01'],
    ['a start', '57P03'],
    ['too many connections', '53300'],
    ['a lost connection', '08006'],
    ['a wrong password', '28P01'],
    ['a missing database', '3D000'],
    ['a standby', '25006'],
  ])('means that the database is away where it tells of %s', (_, code) => {
    expect(isUnavailability(failure(code))).toBe(true);
  });

  it.each([
    ['a duplicate', '23505'],
    ['a syntax error', '42601'],
    ['a missing table', '42P01'],
    ['a value out of range', '22003'],
  ])('says nothing about the database where it tells of %s', (_, code) => {
    expect(isUnavailability(failure(code))).toBe(false);
  });

  it('is a fault of ours where it is no error at all', () => {
    expect(isUnavailability('text')).toBe(false);
  });
});

import fc from 'fast-check';
import {
  findDurationMs,
  findNanoUsd,
  findSizeBytes,
  formatDuration,
  formatSize,
} from '../../../src/config/schema/units.js';

const formatNanoUsd = (nanoUsd: bigint): string => {
  const digits = nanoUsd.toString().padStart(10, '0');
  return `${digits.slice(0, -9)}.${digits.slice(-9)}`;
};

describe('units', () => {
  it('reads durations in milliseconds, seconds, minutes, hours and days', () => {
    const durations = ['250ms', '30s', '5m', '24h', '2d'];
    expect(durations.map(findDurationMs)).toEqual([250, 30_000, 300_000, 86_400_000, 172_800_000]);
    expect([86_400_000, 172_800_000, 176_400_000].map(formatDuration)).toEqual(['24h', '2d', '49h']);
  });

  it.each(['30', '1.5s', '-1s', '30 s', '30S', '1w', '', 's', '1e3s', '99999999999999s'])(
    'reads no duration from %j',
    (text) => expect(findDurationMs(text)).toBeUndefined(),
  );

  it('reads sizes in powers of 1024', () => {
    expect(['1B', '2KiB', '20MiB', '1GiB'].map(findSizeBytes)).toEqual([1, 2048, 20_971_520, 1_073_741_824]);
  });

  it.each(['20MB', '20', '20mib', '1.5MiB', '-1B', ''])('reads no size from %j', (text) => {
    expect(findSizeBytes(text)).toBeUndefined();
  });

  it('reads money to the last of nine places, without a float between', () => {
    expect(['0.075', '0.1', '3', '15.00', '0.000000001', '123456789.987654321'].map(findNanoUsd)).toEqual([
      75_000_000n,
      100_000_000n,
      3_000_000_000n,
      15_000_000_000n,
      1n,
      123_456_789_987_654_321n,
    ]);
  });

  it.each(['1e-3', '.5', '1.', '-1', '0.0000000001', '0x10', '1,5', '1_000', ' 1', '', 'NaN', '.inf'])(
    'reads no money from %j',
    (text) => expect(findNanoUsd(text)).toBeUndefined(),
  );

  it('reads back what it writes', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 10 ** 11 }),
        fc.bigInt({ min: 0n, max: 10n ** 18n - 1n }),
        (number, nano) => {
          expect(findDurationMs(formatDuration(number))).toBe(number);
          expect(findSizeBytes(formatSize(number))).toBe(number);
          expect(findNanoUsd(formatNanoUsd(nano))).toBe(nano);
        },
      ),
    );
  });
});

import { formatReset } from '../../../src/gateway/response-headers.js';

describe('the time until a limit is whole again', () => {
  it.each([
    [0, '0ms'],
    [119.2, '120ms'],
    [999, '999ms'],
    [1_000, '1s'],
    [1_001, '2s'],
    [59_000, '59s'],
    [60_000, '1m0s'],
    [60_500, '1m1s'],
    [360_000, '6m0s'],
  ])('%d ms is %s, never less than it is', (durationMs, text) => {
    expect(formatReset(durationMs)).toBe(text);
  });
});

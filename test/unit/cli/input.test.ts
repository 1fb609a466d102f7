import fc from 'fast-check';
import { findNanoUsd, formatUsd, InputError, InputReader } from '../../../src/cli/input.js';
import { readKeyRequest } from '../../../src/cli/keygen.command.js';

const NOW_MS = Date.parse('2026-03-01T12:00:00Z');
const required = { org: 'acme', team: 'core', name: 'laptop' };

function problemsOf(options: Record<string, unknown>, strays: string[] = []): readonly string[] {
  try {
    readKeyRequest(options, strays, NOW_MS);
    return [];
  } catch (error) {
    if (error instanceof InputError) return error.problems;
    throw error;
  }
}

describe('money on the command line', () => {
  it('is exact for every amount of nano-USD, there and back', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }), (nanoUsd) => {
        expect(findNanoUsd(formatUsd(nanoUsd))).toBe(nanoUsd);
      }),
    );
  });

  it.each([
    ['0.1', 100_000_000n],
    ['0.3', 300_000_000n],
    ['25', 25_000_000_000n],
    ['1.000000001', 1_000_000_001n],
    ['4503599627370.497', null],
    ['9007199254.740993001', 9_007_199_254_740_993_001n],
  ])('reads %s without a rounding', (text, nanoUsd) => {
    expect(findNanoUsd(text)).toBe(nanoUsd);
  });

  it.each(['', '-1', '+1', '1e3', '1,5', '$5', '.5', '5.', '0x10', '1.0000000001', 'NaN', '١'])(
    'refuses %j',
    (text) => {
      expect(findNanoUsd(text)).toBeNull();
    },
  );
});

describe('the options of keygen', () => {
  it('need only organization, team and name; the rest has safe defaults', () => {
    expect(readKeyRequest(required, [], NOW_MS)).toEqual({
      environment: 'dev',
      order: {
        keyName: 'laptop',
        organization: 'acme',
        team: 'core',
        user: null,
        defaultClassification: 'INTERNAL',
        maxClassification: 'INTERNAL',
        allowedModels: null,
        rpmLimit: null,
        tpmLimit: null,
        maxParallelRequests: null,
        budgetNanoUsd: null,
        budgetWindow: null,
        expiresAtMs: null,
        mayExplain: false,
      },
    });
  });

  it('are all told of together where they are wrong', () => {
    const problems = problemsOf(
      {
        org: ' ',
        name: 'n'.repeat(129),
        env: 'PROD',
        classification: 'SECRET',
        rpm: '0',
        tpm: '1.5',
        maxParallel: '-1',
        budgetUsd: 'much',
        budgetWindow: 'week',
        expires: 'tomorrow',
      },
      ['--orgg'],
    );
    for (const option of ['--orgg', '--org', '--team', '--name', '--env', '--classification', '--rpm', '--tpm']) {
      expect(problems.filter((problem) => problem.startsWith(`${option} `))).toHaveLength(1);
    }
    for (const option of ['--max-parallel', '--budget-usd', '--budget-window', '--expires']) {
      expect(problems.filter((problem) => problem.startsWith(`${option} `))).toHaveLength(1);
    }
    expect(problems).toHaveLength(12);
  });

  it.each([
    [{}, 'INTERNAL', 'INTERNAL'],
    [{ classification: 'restricted' }, 'INTERNAL', 'RESTRICTED'],
    [{ classification: 'PUBLIC' }, 'PUBLIC', 'PUBLIC'],
    [{ defaultClassification: 'CONFIDENTIAL' }, 'CONFIDENTIAL', 'CONFIDENTIAL'],
    [{ defaultClassification: 'PUBLIC' }, 'PUBLIC', 'INTERNAL'],
  ])('%j start a request at %s and end at %s', (options, defaultClassification, maxClassification) => {
    const { order } = readKeyRequest({ ...required, ...options }, [], NOW_MS);
    expect(order).toMatchObject({ defaultClassification, maxClassification });
  });

  it('refuse a start above the end, and a budget window without a budget', () => {
    const levels = { defaultClassification: 'RESTRICTED', classification: 'INTERNAL' };
    expect(problemsOf({ ...required, ...levels })).toHaveLength(1);
    expect(problemsOf({ ...required, budgetWindow: 'day' })).toHaveLength(1);
  });

  it('give the right to explain only where it is said', () => {
    expect(readKeyRequest({ ...required, allowExplain: true }, [], NOW_MS).order.mayExplain).toBe(true);
    expect(readKeyRequest({ ...required, allowExplain: 'no' }, [], NOW_MS).order.mayExplain).toBe(false);
  });

  it('tell no models from all models', () => {
    expect(readKeyRequest({ ...required, models: '' }, [], NOW_MS).order.allowedModels).toEqual([]);
    expect(readKeyRequest({ ...required, models: 'a, b,a' }, [], NOW_MS).order.allowedModels).toEqual(['a', 'b']);
  });

  it.each([
    ['30d', '2026-03-31T12:00:00.000Z'],
    ['90m', '2026-03-01T13:30:00.000Z'],
    ['2027-01-31', '2027-01-31T00:00:00.000Z'],
    ['2027-01-31T12:00:00+02:00', '2027-01-31T10:00:00.000Z'],
  ])('take %s as the moment %s', (expires, moment) => {
    const { order } = readKeyRequest({ ...required, expires }, [], NOW_MS);
    expect(new Date(order.expiresAtMs ?? 0).toISOString()).toBe(moment);
  });

  it.each(['2026-02-31', '2027-02-29', '2026-02-28', '0d', '-5d', '2027-01-31T12:00', '9999999999d', '31.01.2027'])(
    'refuse %s as a moment',
    (expires) => {
      expect(problemsOf({ ...required, expires })).toHaveLength(1);
    },
  );

  it('never fail in another way, whatever is typed', () => {
    const options = ['org', 'team', 'name', 'env', 'classification', 'models', 'rpm', 'budgetUsd', 'expires'];
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...options), fc.string({ unit: 'binary' })), (typed) => {
        problemsOf(typed);
      }),
    );
  });

  it('read the same option of a reader as null where it is wrong, so that nothing half-right is used', () => {
    const input = new InputReader({ rpm: 'many' });
    expect(input.limit('rpm')).toBeNull();
    expect(() => input.assertValid()).toThrow(InputError);
  });
});

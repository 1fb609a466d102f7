import { InputError } from '../../../src/cli/input.js';
import { readKeyUpdate } from '../../../src/cli/key-update.js';
import type { ApiKeyRecord } from '../../../src/database/api-key.repository.js';
import type { Principal } from '../../../src/domain/principal.js';
import { makePrincipal } from '../../support/principals.js';

const NOW_MS = Date.parse('2027-01-01T00:00:00Z');
const DAY_MS = 86_400_000;

function keyOf(changes: Partial<Principal> = {}, facts: Partial<ApiKeyRecord> = {}): ApiKeyRecord {
  return {
    principal: makePrincipal(changes),
    status: 'active',
    keyHash: 'hash',
    previousKeyHash: null,
    createdAt: new Date(NOW_MS),
    lastUsedAt: null,
    revokedAt: null,
    revokedReason: null,
    ...facts,
  };
}

const update = (options: Record<string, unknown>, key = keyOf()) => readKeyUpdate(options, NOW_MS)(key);

describe('what aegis keys update makes of its options', () => {
  it('changes what was given and leaves everything else', () => {
    const { changes, problems } = update({ rpm: '5', name: 'new name', allowExplain: true });
    expect(problems).toEqual([]);
    expect(changes).toEqual({ rpmLimit: 5, keyName: 'new name', mayExplain: true, budgetWindow: null });
  });

  it('clears what may be absent', () => {
    const options = { rpm: 'none', tpm: 'none', maxParallel: 'none', budgetUsd: 'none', expires: 'none', user: 'none' };
    const key = keyOf({ budgetNanoUsd: 5n, budgetWindow: 'day', rpmLimit: 1, expiresAtMs: NOW_MS + DAY_MS });
    expect(update({ ...options, models: 'all' }, key)).toEqual({
      changes: {
        rpmLimit: null,
        tpmLimit: null,
        maxParallelRequests: null,
        budgetNanoUsd: null,
        budgetWindow: null,
        expiresAtMs: null,
        user: null,
        allowedModels: null,
      },
      problems: [],
    });
    expect(update({ models: '' }).changes.allowedModels).toEqual([]);
  });

  it('keeps the window of a budget, and gives a new budget one', () => {
    const daily = keyOf({ budgetNanoUsd: 5n, budgetWindow: 'day' });
    expect(update({ budgetUsd: '2' }, daily).changes).toEqual({ budgetNanoUsd: 2_000_000_000n, budgetWindow: 'day' });
    expect(update({ budgetUsd: '2' }).changes.budgetWindow).toBe('month');
    expect(update({ budgetWindow: 'month' }, daily).changes.budgetWindow).toBe('month');
    expect(update({ budgetWindow: 'day' }).problems).toEqual(['--budget-window says nothing without a budget']);
  });

  it('holds the two levels of a key together, whichever is changed', () => {
    const key = keyOf({ defaultClassification: 'INTERNAL', maxClassification: 'CONFIDENTIAL' });
    expect(update({ classification: 'PUBLIC' }, key).problems).toHaveLength(1);
    expect(update({ defaultClassification: 'RESTRICTED' }, key).problems).toHaveLength(1);
    const both = update({ classification: 'PUBLIC', defaultClassification: 'PUBLIC' }, key);
    expect(both).toMatchObject({ problems: [], changes: { maxClassification: 'PUBLIC' } });
  });

  it('changes no revoked key, and gives a rotated one no later end', () => {
    const revoked = keyOf({}, { status: 'revoked', revokedAt: new Date(NOW_MS) });
    expect(update({ rpm: '5' }, revoked).problems).toHaveLength(1);
    const rotated = keyOf({ expiresAtMs: NOW_MS + DAY_MS }, { revokedReason: 'rotated to another' });
    expect(update({ expires: '2d' }, rotated).problems).toHaveLength(1);
    expect(update({ expires: 'none' }, rotated).problems).toHaveLength(1);
    expect(update({ expires: '1h' }, rotated).problems).toEqual([]);
    const expired = keyOf({ expiresAtMs: NOW_MS - 1 });
    expect(update({ rpm: '5' }, expired).problems).toHaveLength(1);
    expect(update({ expires: '1h' }, expired).problems).toEqual([]);
  });

  it('says everything that is wrong at once, and that nothing was asked for', () => {
    const read = (options: Record<string, unknown>) => () => readKeyUpdate(options, NOW_MS);
    expect(read({})).toThrow('Nothing is to be changed');
    expect(read({ rpm: '0', tpm: 'many', expires: 'yesterday' })).toThrow(InputError);
    expect(read({ rpm: '0', tpm: 'many' })).toThrow(/--rpm.*--tpm/s);
  });
});

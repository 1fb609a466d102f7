import type { UsageBeginning, UsageRecord } from '../../domain/accounting.js';

/** What the ledger says of a request whose gateway died: no client ever saw this code. */
export const GATEWAY_DIED = 'gateway_died';
const STATUS = 500;

/**
 * Requests that were begun and of which no end is known. Fed with a dead process's journal from its beginning on;
 * holds no more than what was under way at once.
 */
export class Orphans {
  private readonly begun = new Map<string, UsageBeginning[]>();

  begin(beginning: UsageBeginning): void {
    const before = this.begun.get(beginning.id);
    if (before) before.push(beginning);
    else this.begun.set(beginning.id, [beginning]);
  }

  end(id: string): void {
    this.begun.delete(id);
  }

  /** A record for each, with its own id: where the end is in the ledger after all, it stays as it is. */
  records(): UsageRecord[] {
    return [...this.begun.values()].flatMap((attempts) => {
      const last = attempts.at(-1);
      return last ? [describeOrphan(last, attempts)] : [];
    });
  }
}

/** Nobody knows any more what came of it: neither tokens nor money are made up. */
function describeOrphan(last: UsageBeginning, attempts: readonly UsageBeginning[]): UsageRecord {
  const { provider: _provider, model: _model, ...known } = last;
  return {
    ...known,
    provider: null,
    model: null,
    status: STATUS,
    code: GATEWAY_DIED,
    ending: 'failed',
    finishReason: null,
    durationMs: 0,
    upstreamMs: 0,
    firstContentMs: null,
    usage: null,
    usageSource: 'none',
    costNanoUsd: null,
    attempts: attempts.map(({ provider, model }) => ({
      provider,
      model,
      outcome: 'cancelled',
      durationMs: 0,
      usage: null,
      usageSource: 'none',
      costNanoUsd: null,
    })),
  };
}

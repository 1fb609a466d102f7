import type { AuditStore, ChainRange } from '../audit.store.js';
import { type AuditPeriod, isWhole, readRange, selectSealed } from '../export/selection.js';
import type { TrustedKeys } from '../signing-key.js';
import { AuditVerifier } from './audit.verifier.js';
import type { Verification } from './verification.js';

/** Verifies what PostgreSQL has at one moment: all of it, or what is sealed of a period. */
export function verifyDatabase(
  store: AuditStore,
  period: AuditPeriod,
  keys: TrustedKeys,
  nowMs: number,
): Promise<Verification> {
  return store.atOneMoment((moment) => verifyRecords(moment, period, keys, nowMs));
}

async function verifyRecords(
  store: AuditStore,
  period: AuditPeriod,
  keys: TrustedKeys,
  nowMs: number,
): Promise<Verification> {
  const whole = isWhole(period);
  const verifier = new AuditVerifier({ keys, allSealed: !whole, isPart: !whole, nowMs });
  const ranges: readonly ChainRange[] = whole ? await store.listChains() : await selectSealed(store, period);
  let place = 0;
  for (const range of ranges) {
    for await (const lines of readRange(store, range)) for (const line of lines) verifier.add(line, ++place);
  }
  return verifier.finish();
}

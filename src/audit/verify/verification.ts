/**
 * What can be wrong with a record:
 *
 * - `altered`: it is not as it was written;
 * - `missing`: it is not there, and no record that is sealed says why;
 * - `reordered`: it stands in a wrong place;
 * - `inserted`: it was never written there;
 * - `forked`: two records claim one place;
 * - `re-signed`: its seal is by a key that is not trusted;
 * - `truncated`: what came behind it is not there;
 * - `unsealed`: no seal covers it although it is old enough.
 */
export const AUDIT_FAULTS = [
  'altered',
  'missing',
  'reordered',
  'inserted',
  'forked',
  're-signed',
  'truncated',
  'unsealed',
] as const;
export type AuditFault = (typeof AUDIT_FAULTS)[number];

export interface AuditProblem {
  readonly fault: AuditFault;
  /** Where it was found: in the order of reading, from 1 on; a line's number in a file. */
  readonly place: number;
  /** `WRITER:NUMBER`; null where that cannot be said. */
  readonly record: string | null;
  readonly message: string;
}

export interface Verification {
  /** In the order of reading: the first is the first bad record. */
  readonly problems: readonly AuditProblem[];
  readonly records: number;
  readonly chains: number;
  readonly seals: number;
  /** Records that no seal covers yet, which is well for a while. */
  readonly unsealed: number;
  /** What is missing and accounted for, in words: purges and gaps that sealed records tell of. */
  readonly notes: readonly string[];
}

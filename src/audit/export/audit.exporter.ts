import type { AuditStore } from '../audit.store.js';
import { hashLeaf } from '../merkle.js';
import type { SigningKey } from '../signing-key.js';
import { ExportWriter } from './export-file.js';
import { type AuditPeriod, readRange, selectSealed } from './selection.js';

/** An export as JSON Lines, piece by piece: a header, the records of each chain, a manifest. Only what is sealed. */
export async function* exportAudit(
  store: AuditStore,
  period: AuditPeriod,
  key: SigningKey | null,
  exportedAt: Date,
): AsyncGenerator<string> {
  const ranges = await selectSealed(store, period);
  const writer = new ExportWriter();
  yield writer.header({
    exported_at: exportedAt.toISOString(),
    from: period.from?.toISOString() ?? null,
    to: period.to?.toISOString() ?? null,
  });
  for (const range of ranges) {
    let lastLine = '';
    for await (const lines of readRange(store, range)) {
      yield lines.map((line) => writer.record(line)).join('');
      lastLine = lines.at(-1) ?? lastLine;
    }
    if (lastLine !== '') writer.chain({ ...range, hash: hashLeaf(lastLine) });
  }
  yield writer.manifest(key);
}

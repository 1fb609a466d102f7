import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { trustKeys } from '../../../src/audit/signing-key.js';
import { type ExportVerification, verifyExport } from '../../../src/audit/verify/export.verification.js';
import { buildExport, ChainBuilder, makeSigningKey, NOW_MS } from '../../support/audit-chains.js';

const EVENTS = 100_000;
const LINE_FEED = 0x0a;

describe('an export of a hundred thousand events', () => {
  const key = makeSigningKey();
  const keys = trustKeys([key.publicPem]);
  let bytes: Buffer;
  let starts: number[];

  beforeAll(() => {
    const chains = Array.from({ length: 4 }, () => {
      const chain = new ChainBuilder(key, randomUUID());
      for (let count = 0; count < EVENTS / 4; count += 500) chain.events(500).seal();
      return chain.close();
    });
    bytes = Buffer.from(buildExport(chains, key));
    starts = [0];
    for (let at = bytes.indexOf(LINE_FEED); at >= 0 && at + 1 < bytes.length; at = bytes.indexOf(LINE_FEED, at + 1)) {
      starts.push(at + 1);
    }
  });

  const verify = (export_: Buffer): Promise<ExportVerification> => verifyExport(Readable.from([export_]), keys, NOW_MS);
  const row = (index: number): Buffer => bytes.subarray(starts[index], starts[index + 1] ?? bytes.length);
  const ahead = (index: number): Buffer => bytes.subarray(0, starts[index]);
  const behind = (index: number): Buffer => bytes.subarray(starts[index + 1] ?? bytes.length);

  it('is whole', async () => {
    expect(await verify(bytes)).toMatchObject({ problems: [], chains: 4, isManifestSigned: true });
  });

  it('hides no single byte or row that was changed, dropped, exchanged or added', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: starts.length - 2 }),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        async (index, seed, flip) => {
          const flipped = Buffer.from(bytes);
          const at = seed % bytes.length;
          flipped[at] = (flipped[at] ?? 0) ^ flip;
          const changes = [
            flipped,
            Buffer.concat([ahead(index), behind(index)]),
            Buffer.concat([ahead(index), row(index + 1), row(index), behind(index + 1)]),
            Buffer.concat([ahead(index), row(index), row(seed % starts.length), behind(index)]),
          ];
          for (const changed of changes) expect((await verify(changed)).problems.length).toBeGreaterThan(0);
        },
      ),
      { numRuns: Number(process.env.AEGIS_AUDIT_MUTATIONS ?? 2) },
    );
  }, 3_600_000);
});

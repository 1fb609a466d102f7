import { Readable } from 'node:stream';
import fc from 'fast-check';
import { trustKeys } from '../../../src/audit/signing-key.js';
import { type ExportVerification, verifyExport } from '../../../src/audit/verify/export.verification.js';
import { buildExport, ChainBuilder, makeSigningKey, NOW_MS } from '../../support/audit-chains.js';

const key = makeSigningKey();
const keys = trustKeys([key.publicPem]);

const verify = (bytes: Buffer | string): Promise<ExportVerification> =>
  verifyExport(Readable.from([Buffer.from(bytes)]), keys, NOW_MS);

const chains = [
  new ChainBuilder(key).events(12).seal().events(7).close(),
  new ChainBuilder(key).events(3).seal().events(9).seal(),
  new ChainBuilder(key).events(5).close(),
];
const whole = buildExport(chains, key);
const unsigned = buildExport(chains, null);
const rows = whole.slice(0, -1).split('\n');
const assemble = (lines: readonly string[]): string => `${lines.join('\n')}\n`;

describe('an export', () => {
  it('is whole as it was written, however its bytes arrive', async () => {
    expect(await verify(whole)).toMatchObject({ problems: [], chains: 3, seals: 5, isManifestSigned: true });
    expect(await verify(unsigned)).toMatchObject({ problems: [], isManifestSigned: false });
    const bytes = Buffer.from(whole);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat({ max: bytes.length }), { maxLength: 8 }), async (cuts) => {
        const at = [0, ...cuts.sort((one, other) => one - other), bytes.length];
        const pieces = at.slice(1).map((end, index) => bytes.subarray(at[index], end));
        expect((await verifyExport(Readable.from(pieces), keys, NOW_MS)).problems).toEqual([]);
      }),
      { numRuns: 50 },
    );
  });

  it.each([
    ['signed', whole],
    ['unsigned', unsigned],
  ])('hides no byte that was changed, anywhere (%s manifest)', async (_, text) => {
    const bytes = Buffer.from(text);
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: bytes.length - 1 }), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const changed = Buffer.from(bytes);
        changed[at] = (changed[at] ?? 0) ^ flip;
        expect((await verify(changed)).problems.length).toBeGreaterThan(0);
      }),
      { numRuns: 700 },
    );
  });

  it('hides no byte that was added or taken away', async () => {
    const bytes = Buffer.from(whole);
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: bytes.length - 1 }), fc.nat({ max: 255 }), async (at, byte) => {
        const added = Buffer.concat([bytes.subarray(0, at), Buffer.from([byte]), bytes.subarray(at)]);
        const removed = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)]);
        expect((await verify(added)).problems.length).toBeGreaterThan(0);
        expect((await verify(removed)).problems.length).toBeGreaterThan(0);
      }),
      { numRuns: 250 },
    );
  });

  it('hides no row that was dropped, doubled, moved or exchanged', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: rows.length - 1 }), fc.nat({ max: rows.length - 1 }), async (one, other) => {
        const dropped = rows.filter((_, index) => index !== one);
        const doubled = rows.toSpliced(other, 0, rows[one] ?? '');
        const moved = dropped.toSpliced(other, 0, rows[one] ?? '');
        const exchanged = rows.with(one, rows[other] ?? '').with(other, rows[one] ?? '');
        expect((await verify(assemble(dropped))).problems.length).toBeGreaterThan(0);
        expect((await verify(assemble(doubled))).problems.length).toBeGreaterThan(0);
        for (const changed of [assemble(moved), assemble(exchanged)]) {
          expect((await verify(changed)).problems.length > 0).toBe(changed !== whole);
        }
      }),
      { numRuns: 250 },
    );
  });

  it('names the row', async () => {
    const line = rows[5] ?? '';
    const { problems } = await verify(assemble(rows.with(5, line.replace('"acme"', '"evil"'))));
    expect(problems[0]).toMatchObject({ fault: 'altered', place: 6, record: `${chains[0]?.writer}:5` });
    expect((await verify(assemble(rows.toSpliced(5, 1)))).problems[0]).toMatchObject({ fault: 'missing', place: 6 });
  });

  it('leaves out no whole chain and no end of one, where its manifest is signed', async () => {
    const forged = buildExport(chains.slice(0, 2), null);
    expect((await verify(forged)).isManifestSigned).toBe(false);
    const thief = makeSigningKey();
    expect((await verify(buildExport(chains.slice(0, 2), thief))).problems).toEqual([
      expect.objectContaining({ fault: 're-signed', record: null }),
    ]);
    const cut = whole
      .split('\n')
      .filter((row) => !row.includes(`"writer":"${chains[2]?.writer}"`) || row.includes('export.manifest'));
    expect((await verify(cut.join('\n'))).problems[0]).toMatchObject({
      fault: 'missing',
      record: `${chains[2]?.writer}:1`,
    });
  });

  it('is refused, and does not fill the memory, where a line has no end', async () => {
    const piece = Buffer.alloc(1024 * 1024, 'x');
    const lines = function* (): Generator<Buffer> {
      yield Buffer.from(`${rows[0]}\n`);
      for (let count = 0; count < 600; count++) yield piece;
      yield Buffer.from('\n{}\n');
    };
    const before = process.memoryUsage().arrayBuffers;
    const { problems } = await verifyExport(Readable.from(lines()), keys, NOW_MS);
    expect(problems[0]).toMatchObject({ fault: 'altered', place: 2 });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(400 * 1024 * 1024);
  });

  it('is no export where it is something else', async () => {
    for (const text of [
      '',
      '\n',
      'x',
      '{}\n',
      '{}\n{}\n',
      `${rows[0]}\n`,
      whole.slice(0, -1),
      `${whole}\n`,
      `\ufeff${whole}`,
    ]) {
      expect((await verify(text)).problems.length).toBeGreaterThan(0);
    }
  });
});

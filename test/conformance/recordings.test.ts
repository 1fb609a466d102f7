import { ConformanceCheck } from '../support/conformance-check.js';
import { startConformanceGateway } from '../support/conformance-gateway.js';
import { ConformanceReport, shortened } from '../support/conformance-report.js';
import type { TestGateway } from '../support/gateway.js';
import { loadOpenAiSchema } from '../support/openai-schema.js';
import { findShared, readRecordedSet } from '../support/recordings.js';
import { ReplayUpstream } from '../support/replay-upstream.js';

const folder = findShared('recordings');
const schema = loadOpenAiSchema();
const APIS = ['chat.completions', 'messages'];
/** A long stream is played some hundred times; the machine may be busy with other things. */
const TIMEOUT_MS = 120_000;

/**
 * Any set of recordings of this layout can be put in place: nothing here knows a recording by its name. What is expected
 * comes of the oracle and, by rules that are printed, of the bytes; see test/support/conformance-expectation.ts.
 */
(folder && schema ? describe : describe.skip)('a gateway in front of what real providers sent', () => {
  const set = folder ? readRecordedSet(folder, APIS) : { cases: [], unusable: [] };
  const report = new ConformanceReport();
  let upstream: ReplayUpstream;
  let gateway: TestGateway;
  let check: ConformanceCheck;

  beforeAll(async () => {
    if (!schema) return;
    upstream = await ReplayUpstream.start();
    gateway = await startConformanceGateway(upstream.url);
    check = new ConformanceCheck(gateway, upstream, schema);
  });
  afterAll(async () => {
    await check.close();
    await gateway.close();
    await upstream.close();
    process.stdout.write(report.toString());
  });

  it('has recordings to play', () => {
    expect(set.cases.length).toBeGreaterThan(0);
  });

  for (const recorded of set.cases) {
    const { id, provider, api, stream, status } = recorded.recording;
    it(
      `answers as the oracle says, split or cut anywhere: ${id}`,
      async () => {
        const outcome = await check.run(recorded).catch((thrown: unknown) => ({
          problems: [`the check itself failed: ${String(thrown)}`],
          rules: new Map<string, number>(),
        }));
        report.add(id, { provider, api, kind: status >= 400 ? 'error' : stream ? 'sse' : 'json' }, outcome);
        if (outcome.problems.length > 0) throw new Error(shortened(outcome.problems).join('\n'));
      },
      TIMEOUT_MS,
    );
  }

  for (const { id, problem, ...place } of set.unusable) {
    it(`can be read: ${id}`, () => {
      report.add(id, place, { problems: [problem], rules: new Map() });
      throw new Error(problem);
    });
  }
});

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildRequestLine, REQUEST_LINE_FIELDS, type RequestFacts } from '../../../src/telemetry/request-line.js';
import { makeRequestContext } from '../../support/principals.js';
import { loaded } from '../config/support.js';

const PATH = join(process.cwd(), 'docs', 'telemetry.md');
const BEGIN =
  '<!-- The table is generated: AEGIS_WRITE_DOCS=1 npx jest --selectProjects unit test/unit/telemetry/request-line -->\n';
const END = '\n<!-- End of the table. -->';

const FACTS: RequestFacts = {
  route: '/v1/chat/completions',
  method: 'POST',
  status: 502,
  complete: true,
  durationMs: 12.3456,
  model: 'fast',
  costNanoUsd: 1n,
  isUnpriced: true,
  overheadMs: 1,
  failure: { code: 'upstream_error', cause: 'provider' },
};

describe('docs/telemetry.md', () => {
  it('has the table of the log line', () => {
    const rows = Object.entries(REQUEST_LINE_FIELDS).map(([name, meaning]) => `| \`${name}\` | ${meaning} |`);
    const table = ['| Field | Meaning |', '|---|---|', ...rows].join('\n');
    const text = readFileSync(PATH, 'utf8');
    const [before = '', rest = ''] = text.split(BEGIN);
    const [shown = '', after = ''] = rest.split(END);
    if (process.env.AEGIS_WRITE_DOCS === '1') writeFileSync(PATH, `${before}${BEGIN}${table}${END}${after}`);
    else expect(shown).toBe(table);
  });
});

describe('the log line of a request', () => {
  const found = (path: string) => ({ filter: 'secrets', rule: 'a-rule', path, action: 'flag' as const });
  const context = Object.assign(
    makeRequestContext(loaded({}).snapshot, undefined, {
      project: 'atlas',
      traceContext: { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), isSampled: true, state: null },
      trace: {
        traceId: 'c'.repeat(32),
        spanId: 'd'.repeat(16),
        startAttempt: () => {
          throw new Error('unused');
        },
      },
    }),
    {
      requestedModel: 'fast',
      level: 'INTERNAL' as const,
      served: { provider: 'house', model: 'llama', attempts: 1 },
      firstContentMs: 5,
      usage: {
        promptTokens: 1,
        completionTokens: 2,
        totalTokens: 3,
        cachedPromptTokens: 0,
        cacheWriteTokens: 0,
        reasoningTokens: 0,
      },
      findings: [
        found('messages[2].content[0].text'),
        found('metadata.what_the_client_calls_it[0]'),
        found('its-own-name'),
        found('messages[0].tool_calls[1].function.arguments'),
      ],
    },
  );

  it('can have every documented field, and has no other', () => {
    expect(Object.keys(buildRequestLine(context, FACTS))).toEqual(Object.keys(REQUEST_LINE_FIELDS));
  });

  it("names a finding's place in the API's words, and the client's own names not at all", () => {
    expect(buildRequestLine(context, FACTS).findings).toEqual([
      'a-rule messages[2].content[0].text',
      'a-rule metadata.*[0]',
      'a-rule *',
      'a-rule messages[0].tool_calls[1].function.arguments',
    ]);
  });

  it("names the trace made here before the client's, and the client's where none is made", () => {
    expect(buildRequestLine(context, FACTS)).toMatchObject({ traceId: 'c'.repeat(32), spanId: 'd'.repeat(16) });
    const untraced = buildRequestLine({ ...context, trace: null }, FACTS);
    expect(untraced.traceId).toBe('a'.repeat(32));
    expect(untraced).not.toHaveProperty('spanId');
  });
});

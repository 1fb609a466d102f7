import { join } from 'node:path';
import fc from 'fast-check';
import ts from 'typescript';
import { AegisError } from '../../src/domain/errors.js';
import { AnthropicAdapter } from '../../src/router/adapters/anthropic.adapter.js';
import { screened } from '../support/screened-requests.js';
import { targetOf } from '../support/targets.js';
import { MATRIX } from './anthropic-request-matrix.js';
import type { MatrixCase } from './anthropic-request-parts.js';
import { findBrokenRules } from './anthropic-request-rules.js';
import { arbitraryRequest } from './arbitrary-requests.js';

const adapter = new AnthropicAdapter();

function build({ chat, model, target }: Pick<MatrixCase, 'chat' | 'model' | 'target'>): string {
  const request = adapter.buildRequest(screened(chat), targetOf('anthropic', { target: { ...target, model } }));
  return request.body.toString();
}

/** The complaints of Anthropic's published types about bodies, by name. */
function typeErrors(bodies: ReadonlyMap<string, string>): Map<string, string[]> {
  const file = join(process.cwd(), 'test/contract/outgoing-requests.ts');
  const lines = [
    "import type { MessageCreateParams } from '@anthropic-ai/sdk/resources/messages';",
    // The API takes them on models up to Claude 4.6; the types have left them out since 1.0.
    'type Sampling = { temperature?: number; top_p?: number; top_k?: number };',
    'export const bodies: (MessageCreateParams & Sampling)[] = [',
  ];
  const lead = lines.length;
  const names = [...bodies.keys()];
  // One body a line, so that the line of a complaint tells whose it is.
  for (const body of bodies.values()) lines.push(`${body},`);
  const source = `${lines.join('\n')}\n];\n`;
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    types: [],
    lib: ['lib.es2023.d.ts', 'lib.dom.d.ts'],
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
  };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, readFile } = host;
  host.getSourceFile = (name, ...rest) =>
    name === file ? ts.createSourceFile(name, source, ts.ScriptTarget.ES2023) : getSourceFile.call(host, name, ...rest);
  host.fileExists = (name) => name === file || fileExists.call(host, name);
  host.readFile = (name) => (name === file ? source : readFile.call(host, name));
  const program = ts.createProgram([file], options, host);
  const found = new Map<string, string[]>();
  const sourceFile = program.getSourceFile(file);
  for (const diagnostic of [
    ...program.getSyntacticDiagnostics(sourceFile),
    ...program.getSemanticDiagnostics(sourceFile),
  ]) {
    const line = diagnostic.file?.getLineAndCharacterOfPosition(diagnostic.start ?? 0).line ?? 0;
    const name = names[line - lead] ?? 'the types themselves';
    found.set(name, [...(found.get(name) ?? []), ts.flattenDiagnosticMessageText(diagnostic.messageText, '\n')]);
  }
  return found;
}

describe('the request matrix', () => {
  it('has at least 40 requests, each with a name of its own', () => {
    expect(new Set(MATRIX.map(({ name }) => name)).size).toBe(MATRIX.length);
    expect(MATRIX.length).toBeGreaterThanOrEqual(40);
  });

  it("is accepted by Anthropic's published types, which refuse what is wrong", () => {
    const plain = build({ chat: {}, model: 'claude-opus-5' });
    const wrong = new Map([
      ['an unknown field', plain.replace('{', '{"made_up":1,')],
      ['an unknown block', plain.replace('"type":"text"', '"type":"made_up"')],
      ['a wrong effort', plain.replace('{', '{"output_config":{"effort":"huge"},')],
      ['a wrong mark', plain.replace('{', '{"cache_control":{"type":"ephemeral","ttl":"2h"},')],
      ['a missing field', plain.replace(/"max_tokens":\d+,/, '')],
    ]);
    const right = MATRIX.map((entry): [string, string] => [entry.name, build(entry)]);
    const errors = typeErrors(new Map([...right, ...wrong]));
    expect(Object.fromEntries([...errors].filter(([name]) => !wrong.has(name)))).toEqual({});
    expect([...wrong.keys()].filter((name) => !errors.has(name))).toEqual([]);
  });

  it.each(MATRIX.map((entry) => [entry.name, entry] as const))('carries %s', (_name, entry) => {
    const body: unknown = JSON.parse(build(entry));
    expect(body).toMatchObject(entry.holds);
    for (const field of entry.lacks ?? []) expect(body).not.toHaveProperty(field);
    expect(findBrokenRules(body as Record<string, unknown>)).toEqual([]);
  });
});

describe('the rules a body is checked by', () => {
  const body = (): Record<string, unknown> => JSON.parse(build({ chat: {}, model: 'claude-sonnet-4-5' }));

  it.each([
    ['a turn of the wrong role', { messages: [{ role: 'assistant', content: [{ type: 'text', text: 'a' }] }] }],
    ['a blank text', { messages: [{ role: 'user', content: [{ type: 'text', text: ' ' }] }] }],
    ['a budget above the limit', { thinking: { type: 'enabled', budget_tokens: 5000 } }],
    ['temperature and top_p', { temperature: 0.5, top_p: 0.5 }],
    ['a choice without tools', { tool_choice: { type: 'auto' } }],
    ['a result without a call', { messages: [{ role: 'user', content: [{ type: 'tool_result', tool_use_id: 'a' }] }] }],
    ['an open object', { output_config: { format: { type: 'json_schema', schema: { type: 'object' } } } }],
  ])('find %s', (_name, change) => {
    expect(findBrokenRules(body())).toEqual([]);
    expect(findBrokenRules({ ...body(), ...change })).not.toEqual([]);
  });
});

it('builds a body that keeps the rules, or refuses the request and says why, whatever is combined', () => {
  let built = 0;
  fc.assert(
    fc.property(arbitraryRequest, ({ chat, model }) => {
      let body: string;
      try {
        body = build({ chat, model });
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(AegisError);
        const error = thrown as AegisError;
        expect(['unsupported_parameter', 'invalid_request']).toContain(error.code);
        expect(error.param).toEqual(expect.any(String));
        expect(error.message).toContain(`'${error.param}'`);
        return;
      }
      built++;
      expect(findBrokenRules(JSON.parse(body))).toEqual([]);
    }),
    { numRuns: 3000 },
  );
  // Neither way is the only one.
  expect(built).toBeGreaterThan(300);
  expect(built).toBeLessThan(2900);
});

import fc from 'fast-check';
import { RepeatedJson, readWritten, writeText } from '../../../src/domain/repeated-json.js';

const chunkOf = (content: string, obfuscation?: string, more: object = {}): string =>
  JSON.stringify({
    id: 'chatcmpl-1',
    choices: [{ index: 0, delta: { content }, logprobs: null, finish_reason: null }],
    ...more,
    ...(obfuscation !== undefined && { obfuscation }),
  });
const NAMES = ['content', 'obfuscation'];

describe('a JSON text that comes over and over', () => {
  it('is read as parsing it would read it, whatever its string says', () => {
    const repeated = RepeatedJson.of(chunkOf('Hello', 'xyz'), NAMES);
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string(), (content, obfuscation) => {
        const json = chunkOf(content, obfuscation);
        const written = repeated?.read(json);
        expect(written?.map(readWritten)).toEqual([content, obfuscation]);
        expect(repeated?.write(written ?? [])).toBe(json);
        expect(repeated?.write([writeText(obfuscation), writeText(content)])).toBe(chunkOf(obfuscation, content));
      }),
    );
  });

  it('is another one where anything else differs, anywhere', () => {
    const first = chunkOf('Hello', 'xyz');
    const repeated = RepeatedJson.of(first, NAMES);
    const texts = fc.tuple(fc.nat(first.length), fc.nat(3), fc.string({ maxLength: 3 }));
    fc.assert(
      fc.property(texts, ([at, removed, added]) => {
        const json = first.slice(0, at) + added + first.slice(at + removed);
        const written = repeated?.read(json);
        if (!written) return;
        const parsed = JSON.parse(json) as { choices: { delta: { content: string } }[] };
        expect(readWritten(written[0] ?? '')).toBe(parsed.choices[0]?.delta.content);
        const { id, choices } = JSON.parse(first) as { id: string; choices: unknown[] };
        expect({ ...parsed, choices: [] }).toMatchObject({ id, choices: [] });
        expect(parsed.choices).toHaveLength(choices.length);
      }),
      { numRuns: 2_000 },
    );
    for (const other of [
      chunkOf('Hello'),
      chunkOf('Hello', 'xyz', { usage: null }),
      first.replace('null', 'true'),
      first.replace('Hello', 'Hel"lo'),
      first.replace('Hello', 'Hel\\qlo'),
      first.replace('Hello', 'Hel\nlo'),
      first.replace('Hello', 'Hello\\'),
      `${first} `,
      first.slice(0, -1),
      '',
    ]) {
      expect([other, repeated?.read(other)]).toEqual([other, null]);
    }
  });

  it('is learned where its strings stand, however they are spaced', () => {
    expect(RepeatedJson.of('{"content" : "a", "x": 1}', ['content'])?.read('{"content" : "b", "x": 1}')).toEqual(['b']);
  });

  it.each([
    ['says a name twice', '{"content":"a","delta":{"content":"b"}}'],
    ['says no string', '{"content":null}'],
    ['says the name as a value', '{"type":"content"}'],
    ['has none of the names', '{"text":"a"}'],
    ['has them in another order', '{"obfuscation":"a","content":"b"}'],
    ['is cut', '{"content":"a'],
    ['has a name with an escape', '{"content":"a","\\u0063ontent":"b"}'],
  ])('is not learned where it %s', (_, json) => {
    expect(RepeatedJson.of(json, NAMES)).toBeNull();
  });
});

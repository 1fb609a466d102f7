import fc from 'fast-check';
import { AegisError } from '../../../src/domain/errors.js';
import { parseJsonBody } from '../../../src/gateway/json-body.parser.js';

function refusal(bytes: Buffer | string): AegisError {
  try {
    parseJsonBody(Buffer.from(bytes));
  } catch (error) {
    if (error instanceof AegisError) return error;
    throw error;
  }
  throw new Error('the body was accepted');
}

describe('parseJsonBody', () => {
  it('gives the tree and the very bytes it was read from', () => {
    const bytes = Buffer.from('{"a": [1, {"b": null}]}');
    const { value, body } = parseJsonBody(bytes);
    expect(value).toEqual({ a: [1, { b: null }] });
    expect(body.bytes).toBe(bytes);
  });

  it.each([
    ['an empty body', ''],
    ['broken JSON', '{"a":'],
    ['an array', '[1]'],
    ['a bare string', '"a"'],
    ['a byte-order mark', '\ufeff{}'],
    ['a key that stands twice', '{"model":"allowed","model":"denied"}'],
    ['a key that stands twice, once in disguise', '{"m":1,"\\u006d":2}'],
    ['a key that stands twice deep inside', '{"a":[{"b":{"c":1,"c":2}}]}'],
    ['a key that could reach a prototype', '{"a":{"__proto__":{"admin":true}}}'],
  ])('refuses %s as invalid_json', (_name, text) => {
    expect(refusal(text)).toMatchObject({ code: 'invalid_json', status: 400 });
  });

  it('refuses bytes that are not UTF-8', () => {
    expect(refusal(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])).message).toContain('UTF-8');
  });

  it('never repeats what it could not read', () => {
    expect(refusal('{"password": hunter2}').message).not.toContain('hunter2');
  });

  it('refuses any depth beyond 64, however deep', () => {
    for (const depth of [65, 5_000, 1_000_000]) {
      expect(refusal(`{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`).code).toBe('invalid_request');
    }
    expect(() => parseJsonBody(Buffer.from(`{"a":${'['.repeat(63)}${']'.repeat(63)}}`))).not.toThrow();
  });

  it('refuses a body of more values than any conversation has', () => {
    expect(refusal(`{"x":[${'{},'.repeat(200_000)}{}]}`).code).toBe('invalid_request');
    expect(() => parseJsonBody(Buffer.from(`{"x":[${'0,'.repeat(100_000)}0]}`))).not.toThrow();
  });

  it('reads every JSON object that is one, and refuses the rest without crashing', () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.string().filter((key) => key !== '__proto__'),
          fc.jsonValue({ maxDepth: 5 }),
        ),
        (object) => {
          const text = JSON.stringify(object);
          if (text.includes('"__proto__":')) return;
          expect(parseJsonBody(Buffer.from(text)).value).toEqual(JSON.parse(text));
          expect(refusal(text.slice(0, -1)).status).toBe(400);
        },
      ),
    );
  });
});

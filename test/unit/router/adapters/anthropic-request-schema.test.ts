import { toNativeSchema } from '../../../../src/router/adapters/anthropic-schema.js';

const inObject = (schema: object): Record<string, unknown> => ({
  type: 'object',
  properties: { a: schema },
  required: ['a'],
});

/** What becomes of a property's schema; null where the grammar cannot say it. */
function written(schema: object): unknown {
  const native = toNativeSchema(inObject(schema));
  return native && (native.schema.properties as Record<string, unknown>).a;
}

describe("a schema in the words of Anthropic's grammar", () => {
  it.each<[string, object, unknown]>([
    [
      'keeps what it knows',
      { type: 'string', format: 'date', title: 'T', description: 'D' },
      { type: 'string', format: 'date', title: 'T', description: 'D' },
    ],
    [
      'says limits in words',
      { type: 'integer', description: 'Age.', minimum: 0, exclusiveMaximum: 150 },
      { type: 'integer', description: 'Age. Must be: at least 0; less than 150.' },
    ],
    [
      'says patterns in words',
      { type: 'string', pattern: '^a"$', maxLength: 3 },
      { type: 'string', description: 'Must be: matching the regular expression "^a\\"$"; at most 3 characters.' },
    ],
    [
      'says formats it does not know in words',
      { type: 'string', format: 'iri' },
      { type: 'string', description: 'Must be: in the format "iri".' },
    ],
    [
      'keeps one item at least, and says more in words',
      { type: 'array', items: { type: 'array', items: { type: 'null' }, minItems: 2 }, minItems: 1 },
      {
        type: 'array',
        items: { type: 'array', items: { type: 'null' }, description: 'Must be: at least 2 items.' },
        minItems: 1,
      },
    ],
    [
      'closes objects',
      { properties: { b: { enum: ['x', 1, null] } } },
      { type: 'object', properties: { b: { enum: ['x', 1, null] } }, additionalProperties: false },
    ],
    ['takes either', { oneOf: [{ const: 1 }, { type: 'null' }] }, { anyOf: [{ const: 1 }, { type: 'null' }] }],
    ['leaves out what says nothing', { $comment: 'x', type: 'null' }, { type: 'null' }],
  ])('%s', (_name, schema, expected) => {
    expect(written(schema)).toEqual(expected);
  });

  it.each<[string, object]>([
    ['any value', {}],
    ['a map', { type: 'object', additionalProperties: { type: 'string' } }],
    ['an object of anything', { type: 'object' }],
    ['an object with more than is named', { type: 'object', properties: {}, additionalProperties: true }],
    ['a property that is required and not named', { type: 'object', properties: {}, required: ['b'] }],
    ['a list of anything', { type: 'array' }],
    ['a composition', { allOf: [{ type: 'string' }] }],
    ['a type beside alternatives', { type: 'string', anyOf: [{ enum: ['a'] }] }],
    ['an object as a literal', { const: {} }],
    ['a reference to nowhere', { $ref: '#/$defs/none' }],
    ['a reference to elsewhere', { $ref: 'https://schemas.test/a' }],
  ])('cannot say %s', (_name, schema) => {
    expect(written(schema)).toBeNull();
  });

  it('follows references, says what stands beside them, and knows recursion', () => {
    const root = { ...inObject({ $ref: '#/$defs/x', description: 'D' }), $defs: { x: { type: 'string' } } };
    expect(toNativeSchema(root)?.schema).toMatchObject({
      properties: { a: { anyOf: [{ $ref: '#/$defs/x' }], description: 'D' } },
      $defs: { x: { type: 'string' } },
    });
    const around = { x: inObject({ $ref: '#/$defs/y' }), y: inObject({ $ref: '#/$defs/x' }) };
    expect(toNativeSchema({ ...inObject({ type: 'null' }), $defs: around })).toBeNull();
  });

  it('is read in a time that does not grow with every way through its references', () => {
    const twice = (name: string): object => ({ type: 'object', properties: { a: { $ref: name }, b: { $ref: name } } });
    const $defs = Object.fromEntries(
      Array.from({ length: 200 }, (_, index) => [`d${index}`, twice(`#/$defs/d${index + 1}`)]),
    );
    const native = toNativeSchema({ ...inObject({ $ref: '#/$defs/d0' }), $defs: { ...$defs, d200: { type: 'null' } } });
    expect(native?.optionalProperties).toBe(400);
  });
});

import fc from 'fast-check';
import { choicesOf, chunk, DONE, ROLE, stream } from './openai-wire.js';

const tool = (fields: object): object => chunk({ tool_calls: [fields] });
const call = (name: string | undefined, text: unknown): object => ({ function: { name, arguments: text } });

/** The tool calls a client gets of these deltas. */
function tools(...deltas: readonly object[]): { id: string | undefined; name: string; arguments: string }[] {
  return choicesOf(stream(ROLE, ...deltas, chunk({}, 'tool_calls'), DONE))[0]?.tools ?? [];
}

const meanings = (...deltas: readonly object[]): unknown[] =>
  tools(...deltas).map(({ name, arguments: text }) => [name, JSON.parse(text)]);

describe('the tool calls of a stream', () => {
  it('are calls of their own where all have index 0 and one id each (Gemini)', () => {
    const expected = [
      ['look_up', { city: 'Bern' }],
      ['look_up', { city: 'Genf' }],
    ];
    const bern = { id: 'a', index: 0, type: 'function', ...call('look_up', '{"city":"Bern"}') };
    const genf = { id: 'b', index: 0, type: 'function', ...call('look_up', '{"city":"Genf"}') };
    expect(meanings(tool(bern), tool(genf))).toEqual(expected);
    expect(meanings(chunk({ tool_calls: [bern, genf] }))).toEqual(expected);
  });

  it('are calls of their own where they have no index, and no id either (Gemini)', () => {
    const extra_content = { google: { thought_signature: 'c2ln' } };
    const bern = { id: '', extra_content, ...call('look_up', '{"city":"Bern"}') };
    const genf = { id: '', ...call('look_up', '{"city":"Genf"}') };
    const deltas = [[tool(bern), tool(genf)], [chunk({ tool_calls: [bern, genf] })]];
    for (const sent of deltas) {
      expect(meanings(...sent)).toEqual([
        ['look_up', { city: 'Bern' }],
        ['look_up', { city: 'Genf' }],
      ]);
      expect(stream(ROLE, ...sent, DONE).texts.join()).toContain('thought_signature');
    }
  });

  it('are calls of their own where the next whole arguments come under the index of the last', () => {
    expect(
      meanings(
        tool({ index: 0, id: 'a', ...call('look_up', '') }),
        tool({ index: 0, ...call('', '{"city":"Bern"}') }),
        tool({ index: 0, ...call('', '{"city":"Genf"}') }),
        tool({ index: 0, ...call('add', '{"n":1}') }),
      ),
    ).toEqual([
      ['look_up', { city: 'Bern' }],
      ['look_up', { city: 'Genf' }],
      ['add', { n: 1 }],
    ]);
  });

  it('are calls of their own however long the last one was, whatever its texts hold', () => {
    const long = JSON.stringify({ rows: Array.from({ length: 5_000 }, (_, n) => ({ n, text: '}"\\{' })) });
    const cuts = [0, 1, 5, 9, 20_000, 70_000, 99_999];
    const pieces = cuts.map((from, position) => long.slice(from, cuts[position + 1]));
    const begin = tool({ index: 0, id: 'a', ...call('look_up', '') });
    const rest = [...pieces, '{"city":"Genf"}'].map((piece) => tool({ index: 0, ...call(undefined, piece) }));
    expect(meanings(begin, ...rest)).toEqual([
      ['look_up', JSON.parse(long)],
      ['look_up', { city: 'Genf' }],
    ]);
  });

  it('are calls of their own where a server has one id for all', () => {
    const sent = tools(
      tool({ index: 0, id: 'call', ...call('look_up', '{"city"') }),
      tool({ index: 0, id: 'call', ...call(undefined, ':"Bern"}') }),
      tool({ index: 1, id: 'call', ...call('look_up', '{"city"') }),
      tool({ index: 1, id: 'call', ...call('look_up', ':"Genf"}') }),
    );
    expect(sent.map(({ arguments: text }) => text)).toEqual(['{"city":"Bern"}', '{"city":"Genf"}']);
    expect(new Set(sent.map(({ id }) => id)).size).toBe(2);
  });

  it('are one call where each piece has an id of its own (vLLM), or says the name again (Qwen)', () => {
    const expected = [{ id: 'a', name: 'look_up', arguments: '{"city":"Bern"}' }];
    expect(
      tools(
        tool({ index: 0, id: 'a', type: 'function', ...call('look_up', '') }),
        tool({ index: 0, id: 'b', type: 'function', ...call(undefined, '{"city":') }),
        tool({ index: 0, id: 'c', type: 'function', function: { name: null, arguments: '"Bern"}' } }),
      ),
    ).toEqual(expected);
    expect(
      tools(
        tool({ index: 0, id: 'a', ...call('look_up', '{"city":') }),
        tool({ index: 0, id: '', ...call('look_up', '"Bern"}') }),
        tool({ index: 0, id: '', ...call('look_up', '') }),
      ),
    ).toEqual(expected);
    expect(tools(tool({ id: 'a', ...call('look_up', '{"city":') }), tool(call('look_up', '"Bern"}')))).toEqual(
      expected,
    );
  });

  it('have their arguments once where each piece holds all of them so far', () => {
    const pieces = ['{', '{"ci', '{"city": "', '{"city": "Bern"', '{"city": "Bern"}', '{"city": "Bern"}'];
    expect(tools(...pieces.map((text) => tool({ index: 0, id: 'a', ...call('look_up', text) })))).toEqual([
      { id: 'a', name: 'look_up', arguments: '{"city": "Bern"}' },
    ]);
    const repeated = ['', '{"city":', '"Bern"}', '{"city":"Bern"}'];
    expect(tools(...repeated.map((text) => tool({ index: 0, id: 'a', ...call('look_up', text) })))).toEqual([
      { id: 'a', name: 'look_up', arguments: '{"city":"Bern"}' },
    ]);
  });

  it('have their arguments byte for byte, wherever they are cut', () => {
    const value = fc.dictionary(
      fc.string({ unit: fc.constantFrom('{', '"', 'a', ':', ' ', '}', ','), maxLength: 3 }),
      fc.jsonValue(),
    );
    const alike = fc.constantFrom(
      '{"a":{"a":{"a":{}}}}',
      '{"a":[{"a":[{"a":1}]}]}',
      '{"a":"{\\"a\\":\\"","b":{"a":"{"}}',
      '{"{":{"{":1}}',
    );
    const text = fc.oneof(
      value.map((object) => JSON.stringify(object)),
      value.map((object) => JSON.stringify(object, null, 1)),
      alike,
    );
    fc.assert(
      fc.property(text, fc.array(fc.nat(60), { maxLength: 8 }), (whole, places) => {
        const cuts = [0, ...places.map((place) => Math.min(place, whole.length)).sort((a, b) => a - b), whole.length];
        const pieces = cuts.slice(1).map((end, index) => whole.slice(cuts[index], end));
        const deltas = pieces.map((piece, index) =>
          tool(
            index === 0 ? { index: 0, id: 'a', ...call('look_up', piece) } : { index: 0, ...call(undefined, piece) },
          ),
        );
        expect(tools(...deltas)[0]?.arguments).toBe(whole);
      }),
      { numRuns: 3_000 },
    );
  });

  it('are never without bounds', () => {
    const many = Array.from({ length: 1_001 }, (_, index) => tool({ index, id: `call_${index}`, ...call('a', '{}') }));
    expect(stream(ROLE, ...many, DONE).error).toMatchObject({ disposition: 'invalid' });
    const long = JSON.stringify({ text: 'x'.repeat(500_000) });
    const pieces = [long.slice(0, 60_000), long.slice(60_000, 300_000), long.slice(300_000)];
    expect(tools(...pieces.map((piece) => tool({ index: 0, id: 'a', ...call('a', piece) })))[0]?.arguments).toBe(long);
  });

  it('may be in the old form, or of a kind of their own', () => {
    const { texts, error } = stream(
      ROLE,
      chunk({ function_call: { name: 'look_up', arguments: '{"city":' } }),
      chunk({ function_call: { arguments: '"Bern"}' } }),
      chunk({}, 'function_call'),
      DONE,
    );
    expect(error).toBeNull();
    expect(texts.map((text) => JSON.parse(text).choices[0].delta.function_call?.arguments ?? '').join('')).toBe(
      '{"city":"Bern"}',
    );
    const custom = { index: 0, id: 'a', type: 'custom', custom: { name: 'sql', input: 'select 1' } };
    expect(stream(ROLE, tool(custom), chunk({}, 'tool_calls'), DONE).texts[1]).toContain(JSON.stringify(custom));
  });
});

import { ReceivedContent } from '../../../src/router/received-content.js';

const chunk = (delta: object, more: object = {}, finish: string | null = null): string =>
  JSON.stringify({ id: 'a', choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }], ...more });

function tokensOf(chunks: readonly string[]): number {
  const content = new ReceivedContent();
  for (const each of chunks) content.add(each);
  return content.tokens;
}

/** One token for four bytes, or for each chunk that says anything: the greater. */
describe('the content that came', () => {
  const long = 'a'.repeat(40);

  it('is counted in bytes where chunks that differ in a word say much', () => {
    expect(tokensOf([long, `${long}b`, long].map((content) => chunk({ content })))).toBe(31);
  });

  it('is counted in chunks where each says little, and one that says nothing is none', () => {
    expect(tokensOf(['a', 'b', '', 'c', ''].map((content) => chunk({ content })))).toBe(3);
  });

  it('is counted as it is written, escapes and characters of several bytes too', () => {
    const words = [long, `${long}\n"\\`, `${long}é€`];
    const bytes = words.reduce((sum, word) => sum + Buffer.byteLength(JSON.stringify(word)) - 2, 0);
    expect(tokensOf(words.map((content) => chunk({ content })))).toBe(Math.ceil(bytes / 4));
  });

  it.each([
    ['a refusal', { refusal: long }],
    ['reasoning', { reasoning_content: long }],
    ['a call', { tool_calls: [{ index: 0, function: { arguments: long } }] }],
    ['a refusal beside a text', { content: '', refusal: long }],
  ])('is counted after words also where it is %s', (_, delta) => {
    expect(tokensOf([chunk({ content: long }), chunk({ content: long }), chunk(delta), chunk(delta)])).toBe(40);
  });

  it('is not counted by the letters that pad its chunks', () => {
    const padded = (refusal: string, obfuscation: string): string => chunk({ refusal }, { obfuscation });
    const spoken = (content: string, obfuscation: string): string => chunk({ content }, { obfuscation });
    expect(tokensOf([padded('abcd', 'efgh'), padded(long, ''), padded(long, 'x')])).toBe(21);
    expect(tokensOf([spoken('abcd', 'efgh'), spoken(long, ''), spoken(long, 'x'.repeat(400))])).toBe(21);
  });

  it('knows why it ended, also after words that were all alike', () => {
    const content = new ReceivedContent();
    for (const word of ['a', 'b', 'c']) content.add(chunk({ content: word }));
    expect(content.finishReason).toBeNull();
    content.add(chunk({ content: 'd' }, {}, 'length'));
    expect(content.finishReason).toBe('length');
    expect(content.finishReasons).toEqual(['length']);
    expect(content.tokens).toBe(4);
  });
});

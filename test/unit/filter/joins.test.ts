import { ScanText } from '../../../src/filter/engine/scan-text.js';
import { Joins, mayJoin } from '../../../src/filter/joins.js';

const joined = (text: string): Joins | null => Joins.in(ScanText.of(text));
const mayBeJoined = (text: string): boolean => mayJoin(ScanText.of(text));

describe('words that run together once a text is folded', () => {
  it.each([
    ['a Cyrillic letter before a word', 'so: Аsk-1234'],
    ['a full-width one behind it', 'sk-1234Ａ is it'],
    ['a letter of two units', '\u{1d400}sk-1234'],
    ['a ligature', 'ﬁsk-1234'],
    ['one before an escape', 'А\\u0041'],
    ['one before a percent escape', 'А%41'],
    ['one behind an entity', '&#65;А'],
    ['one behind the end of base64', 'QUJDREVG==А'],
    ['something invisible between two words', 'x\u200bsk-1234'],
    ['a letter behind something invisible', 'sk-1234\u200bА'],
    ['dots in one character between two words', 'sk-1234…x'],
  ])('are told: %s', (_, text) => {
    expect(joined(text)).not.toBeNull();
    expect(mayBeJoined(text)).toBe(true);
  });

  it.each([
    ['nothing beyond ASCII', 'the key is sk-1\\u0041'],
    ['letters that look like no other', 'ключ漢sk-1234 größer'],
    ['a word of its own', 'АВС sk-1234 ﬁ'],
    ['quotes', '“sk-1234” and ’sk-2345’'],
    ['blanks of other widths', 'sk-1234\u00a0\u2003sk-2345'],
  ])('are not seen in %s', (_, text) => {
    expect(joined(text)).toBeNull();
    expect(mayBeJoined(text)).toBe(false);
  });

  it('are not seen in ordinary sentences, where a look that has to be sure sees some', () => {
    const sentences = [
      'Да, это хорошо: кто-то спросил.',
      '使用API，然后看看。',
      'wait… what',
      'Kto to wykorzystał\\nwczoraj',
    ];
    for (const text of sentences) expect([text, joined(text)]).toEqual([text, null]);
    expect(mayBeJoined('使用API，然后看看。')).toBe(true);
  });

  it('are found again by where they are', () => {
    const joins = joined(`${' '.repeat(100)}Аsk-1234${' '.repeat(100)}`);
    expect([joins?.isNear(0, 99), joins?.isNear(90, 100), joins?.isNear(101, 103), joins?.isNear(102, 205)]).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });
});

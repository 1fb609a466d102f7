import { JWT_TEXT, PEM, SECRETS } from '../support.js';

export const TOKENS: readonly string[] = [...Object.values(SECRETS), JWT_TEXT, PEM];

/** Credentials as they are written to be overlooked. */
export function foldableExamples(): string[] {
  return TOKENS.flatMap((token) => [
    token.split('').join('\u200b'),
    token.replace(/[!-~]/g, (character) => String.fromCharCode(character.charCodeAt(0) + 0xfee0)),
    token.replace(/[a-z]/g, (letter) => String.fromCodePoint(0x1d41a + letter.charCodeAt(0) - 97)),
    token.replace(/[A-Za-z]/g, (letter) => `\\u00${letter.charCodeAt(0).toString(16)}`),
    token.replace(/[A-Za-z]/g, (letter) => `%${letter.charCodeAt(0).toString(16)}`),
    JSON.stringify({ note: JSON.stringify({ token }) }),
  ]);
}

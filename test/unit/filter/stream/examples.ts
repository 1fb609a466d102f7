import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { loadRules } from '../../../../src/filter/rules/rule-loader.js';
import type { StreamRules } from '../../../../src/filter/stream/stream-rules.js';
import { JWT_TEXT, PEM, SECRETS } from '../support.js';
import { compileRules } from './support.js';

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

/** A file's rules, all of which redact, and their examples in sentences. */
export function readExamples(
  file: string,
  filter: string,
): { rules: StreamRules; examples: readonly { name: string; text: string }[] } {
  const source = readFileSync(file, 'utf8');
  const { rules } = parse(source) as { rules: { id: string; examples: { positive: string[] } }[] };
  const examples = rules.flatMap(({ id, examples: { positive } }) =>
    positive.map((example, index) => ({
      name: `${id} ${index + 1}`,
      text: `Sure: ${example.replaceAll('<+>', '')} as you asked. Bye`,
    })),
  );
  return { rules: compileRules(loadRules(source, filter).rules), examples };
}

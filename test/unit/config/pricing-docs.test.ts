import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { priceRequest } from '../../../src/config/pricing.js';
import type { ChatUsage } from '../../../src/domain/chat.js';
import type { TokenUsage } from '../../../src/domain/usage.js';
import { readAnthropicUsage } from '../../../src/router/adapters/anthropic-answer.js';
import { toTokenUsage } from '../../../src/router/adapters/usage-reading.js';
import { loaded } from './support.js';

interface Answer {
  readonly service_tier?: string;
  readonly usage: Readonly<Record<string, unknown>>;
}

const text = readFileSync(join(__dirname, '../../../docs/pricing.md'), 'utf8');
const list = /```yaml\n([\s\S]*?)```/.exec(text)?.[1] ?? '';
const providers = ['anthropic', 'openai', 'house'].map((name) => `  ${name}: {type: vllm, base_url: "http://h/v1"}\n`);
const { snapshot } = loaded({
  'providers.yaml': `providers:\n${providers.join('')}`,
  'models.yaml': 'models: {any: {primary: {provider: house, model: thinker, classification_ceiling: INTERNAL}}}',
  'pricing.yaml': list,
});

const readUsage = (answer: Answer, provider: string): TokenUsage =>
  provider === 'anthropic'
    ? readAnthropicUsage(answer.usage)
    : toTokenUsage(answer.usage as unknown as ChatUsage, answer.service_tier);

/** Each answer in the text, with the target named last before it and the formula after it. */
const examples = [...text.matchAll(/```json\n([\s\S]*?)```\n\n(.*) = \*\*([\d,]+) nano-USD\*\*/g)].map((match) => {
  const named = [...text.slice(0, match.index).matchAll(/^`(anthropic|openai|house)\/([^`]+)`/gm)].at(-1);
  return {
    target: `${named?.[1]}/${named?.[2]}`,
    answer: JSON.parse(match[1] ?? '') as Answer,
    formula: match[2] ?? '',
    nanoUsd: BigInt((match[3] ?? '').replaceAll(',', '')),
  };
});

describe('docs/pricing.md', () => {
  it('has an example for each rule', () => expect(examples).toHaveLength(7));

  it.each(examples)(
    'makes the bill of $target as the gateway does: $formula',
    ({ target, answer, formula, nanoUsd }) => {
      const [provider = '', model = ''] = target.split('/');
      expect(priceRequest(snapshot, provider, model, readUsage(answer, provider))).toBe(nanoUsd);

      const terms = formula.split(' + ').map((term) => term.replaceAll(',', '').split(' × ').map(Number));
      const sum = terms.reduce((total, [tokens = 0, each = 0]) => total + tokens * each, 0);
      expect(BigInt(Math.ceil(sum))).toBe(nanoUsd);
    },
  );
});

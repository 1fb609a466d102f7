import { FilterOverrideConfig, FiltersConfig } from '../../../../src/config/schema/filters.config.js';
import type { MarkerSource } from '../../../../src/domain/pseudonym.js';
import { ActionPolicy } from '../../../../src/filter/action-policy.js';
import { RuleScanner } from '../../../../src/filter/engine/rule-scanner.js';
import type { ScanRule } from '../../../../src/filter/rules/scan-rule.js';
import { AnswerScreen } from '../../../../src/filter/stream/answer-screen.js';
import { StreamRules } from '../../../../src/filter/stream/stream-rules.js';
import { BlockedTextError, TextChannel } from '../../../../src/filter/stream/text-channel.js';
import { SHIPPED_RULES } from '../support.js';

export interface RunOptions {
  readonly rules?: StreamRules | null;
  readonly isJson?: boolean;
  readonly markers?: MarkerSource | null;
}

/** What became of one text. */
export interface Run {
  readonly out: string;
  readonly findings: readonly string[];
  readonly isBlocked: boolean;
  /** How many UTF-16 units waited after each piece. */
  readonly held: readonly number[];
}

export function compileRules(
  rules: readonly ScanRule[] = SHIPPED_RULES,
  change: (filters: FiltersConfig) => void = () => undefined,
): StreamRules {
  const filters = new FiltersConfig();
  filters.secrets.responseAction = 'redact';
  filters.personalData.responseAction = 'redact';
  filters.terms.responseAction = 'redact';
  change(filters);
  const compiled = StreamRules.of(rules, new ActionPolicy(filters), 'INTERNAL');
  if (!compiled) throw new Error('no rule acts upon answers');
  return compiled;
}

/** Every rule redacts, those too that only flag as they are shipped. */
export const REDACTING = compileRules(SHIPPED_RULES, (filters) => {
  filters.overrides = [
    Object.assign(new FilterOverrideConfig(), { rules: ['*'], direction: 'response', action: 'redact' }),
  ];
});

export function run(pieces: readonly string[], options: RunOptions = {}): Run {
  const findings: string[] = [];
  const held: number[] = [];
  const channel = new TextChannel({
    rules: options.rules === undefined ? REDACTING : options.rules,
    markers: options.markers ?? null,
    isJson: options.isJson ?? false,
    onAction: (_filter, rule, action) => findings.push(`${rule} ${String(action)}`),
  });
  let out = '';
  let isBlocked = false;
  try {
    for (const piece of pieces) {
      out += channel.push(piece);
      held.push(channel.held);
    }
    out += channel.finish();
  } catch (error) {
    if (!(error instanceof BlockedTextError)) throw error;
    out += error.before;
    isBlocked = true;
  }
  return { out, findings, isBlocked, held };
}

const screens = new WeakMap<StreamRules, AnswerScreen>();

/** What looks at whole texts first. */
export function screenOf(rules: StreamRules): AnswerScreen {
  const known = screens.get(rules);
  if (known) return known;
  const screen = new AnswerScreen(new RuleScanner(rules.rules.map(({ rule }) => rule)));
  screens.set(rules, screen);
  return screen;
}

export function split(text: string, size: number): string[] {
  const pieces: string[] = [];
  for (let from = 0; from < text.length; from += size) pieces.push(text.slice(from, from + size));
  return pieces;
}

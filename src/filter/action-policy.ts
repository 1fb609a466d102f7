import type { FilterOverrideConfig, FiltersConfig, RequestAction } from '../config/schema/filters.config.js';
import type { Classification } from '../domain/classification.js';
import type { Detection } from '../domain/detector.js';
import type { FilterAction, FilterDirection } from '../domain/finding.js';
import { FILTER_PREFIX } from './filter-names.js';

/** What is known of a match before anything is done about it; a rule's `id` stands as `rule`. */
export type DetectedRule = Pick<Detection, 'filter' | 'rule' | 'actions'>;

interface Override {
  readonly matches: (rule: DetectedRule) => boolean;
  readonly direction: FilterOverrideConfig['direction'];
  /** Empty: all. */
  readonly levels: ReadonlySet<string>;
  readonly action: FilterAction | 'off';
}

/**
 * What is done where something is found: by the first override that fits, else by the rule itself, else by its
 * filter's setting. Compiled once for a configuration.
 */
export class ActionPolicy {
  private readonly overrides: readonly Override[];
  /** What overrides make of a rule, by direction, level, filter and id; null where none fits. */
  private readonly known = new Map<string, FilterAction | 'off' | null>();

  constructor(private readonly filters: FiltersConfig) {
    this.overrides = filters.overrides.map(compile);
  }

  /** `off`: as if it had not been found. Of answers never `pseudonymize` or a level: see `inAnswer`. */
  resolve(rule: DetectedRule, direction: FilterDirection, level: Classification): FilterAction | 'off' {
    const overridden = this.overrides.length === 0 ? null : this.overridden(rule, direction, level);
    const action = overridden ?? rule.actions[direction] ?? this.unlessOnlyFlagged(rule, direction);
    return direction === 'response' ? inAnswer(action) : action;
  }

  private overridden(
    rule: DetectedRule,
    direction: FilterDirection,
    level: Classification,
  ): FilterAction | 'off' | null {
    const name = `${direction} ${level} ${rule.filter} ${rule.rule}`;
    const known = this.known.get(name);
    if (known !== undefined) return known;
    const first = this.overrides.find((override) => fits(override, direction, level) && override.matches(rule));
    const action = first?.action ?? null;
    this.known.set(name, action);
    return action;
  }

  /** A rule that is too unsure of its matches to do more than flag requests does no more to answers either. */
  private unlessOnlyFlagged({ filter, actions }: DetectedRule, direction: FilterDirection): FilterAction | 'off' {
    const configured = this.configured(filter, direction);
    return direction === 'response' && actions.request === 'flag' && configured !== 'off' ? 'flag' : configured;
  }

  private configured(filter: string, direction: FilterDirection): FilterAction | 'off' {
    const { secrets, personalData, terms } = this.filters;
    const section =
      filter === 'secrets' ? secrets : filter === 'personal_data' ? personalData : filter === 'terms' ? terms : null;
    if (section === null) return 'block';
    return direction === 'response' ? section.responseAction : toAction(section.action, section.raiseTo);
  }
}

function compile({ rules, direction, levels, action, raiseTo }: FilterOverrideConfig): Override {
  const matchers = rules.map(ruleMatcher);
  return {
    matches: (rule) => matchers.some((matches) => matches(rule)),
    direction,
    levels: new Set(levels),
    action: toAction(action, raiseTo),
  };
}

/** `filter:NAME`, a rule's id, or an id with `*` for any characters. */
export function ruleMatcher(pattern: string): (rule: Pick<DetectedRule, 'filter' | 'rule'>) => boolean {
  if (pattern.startsWith(FILTER_PREFIX)) {
    const name = pattern.slice(FILTER_PREFIX.length);
    return ({ filter }) => filter === name;
  }
  if (!pattern.includes('*')) return ({ rule }) => rule === pattern;
  const pieces = pattern.split('*');
  return ({ rule }) => matchesPieces(rule, pieces);
}

/** Whether a text is these pieces with anything between them. */
function matchesPieces(text: string, pieces: readonly string[]): boolean {
  const [first = '', ...rest] = pieces;
  const last = rest.pop() ?? '';
  if (!text.startsWith(first) || text.length < first.length + last.length || !text.endsWith(last)) return false;
  let from = first.length;
  for (const piece of rest) {
    const at = text.indexOf(piece, from);
    if (at === -1) return false;
    from = at + piece.length;
  }
  return from <= text.length - last.length;
}

/** An override that names no direction is for answers too where what it asks for can be done there. */
function fits({ direction, levels, action }: Override, asked: FilterDirection, level: Classification): boolean {
  if (levels.size > 0 && !levels.has(level)) return false;
  if (direction !== 'both') return direction === asked;
  return asked === 'request' || inAnswer(action) === action;
}

/** Nothing can be raised or given a name once the answer is there. */
function inAnswer(action: FilterAction | 'off'): FilterAction | 'off' {
  if (typeof action === 'object') return 'flag';
  return action === 'pseudonymize' ? 'redact' : action;
}

function toAction(action: RequestAction, raiseTo: Classification): FilterAction | 'off' {
  return action === 'raise' ? { raiseTo } : action;
}

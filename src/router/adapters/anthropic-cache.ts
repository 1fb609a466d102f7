import { isObject } from '../../domain/json.js';
import type { RequestProblems } from './request-problems.js';

type Holder = Readonly<Record<string, unknown>>;

/** Source: https://platform.claude.com/docs/en/build-with-claude/prompt-caching */
const MOST_MARKS = 4;
const LIFETIMES: ReadonlySet<unknown> = new Set(['5m', '1h']);

/** Anthropic's own mark for prompt caching, which its clients put wherever OpenAI's format has a place. */
export function readCacheControl(source: Holder, path: string, problems: RequestProblems): Holder | null {
  const mark = source.cache_control;
  if (mark === null || mark === undefined) return null;
  if (isObject(mark) && mark.type === 'ephemeral') {
    const { type, ttl, ...unknown } = mark;
    if (Object.keys(unknown).length === 0) {
      if (ttl === null || ttl === undefined) return { type };
      if (LIFETIMES.has(ttl)) return { type, ttl };
    }
  }
  problems.reject(
    path === '' ? 'cache_control' : `${path}.cache_control`,
    'must be {"type": "ephemeral"}, with a \'ttl\' of 5m or 1h.',
  );
  return null;
}

/** The block with the mark of what it was made from. */
export function withCacheControl<T extends object>(
  block: T,
  source: Holder,
  path: string,
  problems: RequestProblems,
): T {
  const mark = readCacheControl(source, path, problems);
  return mark ? { ...block, cache_control: mark } : block;
}

export function checkMarks(
  blocks: readonly Holder[],
  turns: readonly { readonly content: readonly Holder[] }[],
  hasMarkOfItsOwn: boolean,
  problems: RequestProblems,
): void {
  let count = hasMarkOfItsOwn ? 1 : 0;
  for (const block of blocks) if (block.cache_control) count++;
  for (const { content } of turns) for (const block of content) if (block.cache_control) count++;
  if (count > MOST_MARKS) problems.reject('cache_control', `must not be set more than ${MOST_MARKS} times.`);
}

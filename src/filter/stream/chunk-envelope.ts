import { isObject } from '../../domain/json.js';

/** Members of a chunk that say nothing of its text. */
export const ENVELOPE = ['id', 'object', 'created', 'model', 'system_fingerprint', 'service_tier'] as const;
const CHUNK_MEMBERS: ReadonlySet<string> = new Set([...ENVELOPE, 'obfuscation', 'choices', 'usage']);
const CHOICE_MEMBERS: ReadonlySet<string> = new Set(['index', 'delta', 'logprobs', 'finish_reason']);

/** Whether nothing is left of a chunk but what every chunk carries. */
export function isEmptied(chunk: Record<string, unknown>): boolean {
  const { choices, usage } = chunk;
  if (usage !== null && usage !== undefined) return false;
  if (Object.keys(chunk).some((name) => !CHUNK_MEMBERS.has(name))) return false;
  return Array.isArray(choices) && choices.length > 0 && choices.every(isEmptyChoice);
}

function isEmptyChoice(choice: unknown): boolean {
  if (!isObject(choice) || !isObject(choice.delta) || typeof choice.finish_reason === 'string') return false;
  if (Object.keys(choice).some((name) => !CHOICE_MEMBERS.has(name)) || choice.logprobs) return false;
  return Object.entries(choice.delta).every(([key, value]) => value === '' && key !== 'role');
}

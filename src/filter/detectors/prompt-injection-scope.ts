import { isObject } from '../../domain/json.js';

const MESSAGE = /^messages\[(\d+)\]/;
/** Messages of these roles are the operator's words and the model's own: telling a model what not to obey looks like an attack. */
const TRUSTED_ROLES: ReadonlySet<unknown> = new Set(['system', 'developer', 'assistant']);

/**
 * Whether a text of a request can be an attempt to take over the model: those of users, tools and functions, and tools' definitions, which
 * often come from third parties.
 */
export function mayCarryInjection(body: object, path: string): boolean {
  const index = MESSAGE.exec(path)?.[1];
  if (index === undefined) return true;
  const messages: unknown = isObject(body) ? body.messages : undefined;
  const message: unknown = Array.isArray(messages) ? messages[Number(index)] : undefined;
  return !(isObject(message) && TRUSTED_ROLES.has(message.role));
}

/** Freezes a value and all it holds, maps included: a snapshot is shared by every request and changed by none. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  if (value instanceof Map) {
    for (const [key, held] of value) {
      deepFreeze(key);
      deepFreeze(held);
    }
    // `Object.freeze` does not reach a map's entries.
    for (const method of ['set', 'delete', 'clear'] as const) Object.defineProperty(value, method, { value: refuse });
  }
  Object.freeze(value);
  for (const held of Object.values(value)) deepFreeze(held);
  return value;
}

function refuse(): never {
  throw new TypeError('A configuration snapshot never changes.');
}

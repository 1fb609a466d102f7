/** Freezes a value and all it holds, maps included: a snapshot is shared by every request and changed by none. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  if (value instanceof Map) {
    for (const [key, held] of value) {
      deepFreeze(key);
      deepFreeze(held);
    }
    sealMap(value);
  }
  Object.freeze(value);
  for (const held of Object.values(value)) deepFreeze(held);
  return value;
}

/** Lets nobody change which entries a map has: `Object.freeze` does not reach them. What they hold is left alone. */
export function sealMap<T extends Map<unknown, unknown>>(map: T): T {
  for (const method of ['set', 'delete', 'clear'] as const) Object.defineProperty(map, method, { value: refuse });
  return Object.freeze(map);
}

function refuse(): never {
  throw new TypeError('A configuration snapshot never changes.');
}

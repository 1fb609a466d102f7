import { GatewayConfig } from './schema/gateway.config.js';
import { type SettingsClass, settingsOf } from './schema/setting.js';

/**
 * Puts the running values of what cannot change live (ports, stores, the pepper) into a newly loaded configuration.
 * Returns the keys whose file values wait for a restart, e.g. `server.port`.
 */
export function keepRunningValues(loaded: GatewayConfig, running: GatewayConfig): string[] {
  return keepIn(GatewayConfig, loaded, running, '');
}

function keepIn(type: SettingsClass, loaded: object, running: object, prefix: string): string[] {
  return settingsOf(type).flatMap(({ property, key, shape, restart }) => {
    const [next, current]: unknown[] = [Reflect.get(loaded, property), Reflect.get(running, property)];
    if (shape.kind === 'section') return keepIn(shape.of, next as object, current as object, `${prefix}${key}.`);
    if (!restart || JSON.stringify(next) === JSON.stringify(current)) return [];
    Reflect.set(loaded, property, current);
    return [`${prefix}${key}`];
  });
}

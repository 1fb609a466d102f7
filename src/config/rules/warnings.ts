import type { Places } from '../places.js';
import type { Problem } from '../problem.js';
import type { GatewayConfig } from '../schema/gateway.config.js';

/** What is valid and yet not what its author may expect. */
export function findWarnings({ server }: GatewayConfig, places: Places): Problem[] {
  const warnings: Problem[] = [];
  const warn = (section: object, field: string, message: string): void => {
    warnings.push({ place: places.of(section, field), message });
  };
  if (server.trustedProxies.length > 0) {
    warn(server, 'trustedProxies', 'has no effect: this version reads no forwarded address');
  }
  return warnings;
}

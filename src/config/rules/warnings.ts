import type { Places } from '../places.js';
import type { Problem } from '../problem.js';
import type { GatewayConfig } from '../schema/gateway.config.js';
import type { ModelsFile } from '../schema/models.config.js';
import type { PriceList } from '../snapshot.js';

interface Checked {
  readonly gateway: GatewayConfig;
  readonly models: ModelsFile;
  readonly pricing: PriceList;
}

/** What is valid and yet not what its author may expect. */
export function findWarnings({ gateway, models, pricing }: Checked, places: Places): Problem[] {
  const { server, telemetry, limits, cost } = gateway;
  const warnings: Problem[] = [];
  const warn = (section: object, field: string, message: string): void => {
    warnings.push({ place: places.of(section, field), message });
  };
  if (telemetry.otlpEndpoint !== '') warn(telemetry, 'otlpEndpoint', 'has no effect: this version sends no traces');
  if (server.trustedProxies.length > 0) {
    warn(server, 'trustedProxies', 'has no effect: this version reads no forwarded address');
  }
  if (limits.onStoreFailure !== 'local')
    warn(limits, 'onStoreFailure', 'has no effect: this version enforces no limits');
  for (const { primary, fallback } of models.models.values()) {
    for (const target of [...primary, ...fallback]) {
      const name = `${target.provider}/${target.model}`;
      if (cost.onMissingPricing !== 'allow' && !pricing.prices.has(name)) {
        const effect = cost.onMissingPricing === 'deny' ? 'this target is never used' : 'its calls are marked unpriced';
        warn(target, 'model', `pricing.yaml has no price for ${name}: ${effect} (cost.on_missing_pricing)`);
      }
    }
  }
  return warnings;
}

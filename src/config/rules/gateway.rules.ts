import { parseAddressRange } from '../../domain/network-address.js';
import type { Places } from '../places.js';
import type { Problems } from '../problem.js';
import type { GatewayConfig } from '../schema/gateway.config.js';
import { checkTls } from './tls.rules.js';

export const MIN_PEPPER_BYTES = 32;

/** What one setting of gateway.yaml means for another, and what production demands. */
export function checkGateway(gateway: GatewayConfig, places: Places, problems: Problems, production: boolean): void {
  const { server, database, telemetry } = gateway;
  if (server.port !== 0 && server.port === telemetry.metricsPort) {
    problems.add(places.of(telemetry, 'metricsPort'), 'must differ from server.port');
  }
  server.trustedProxies.forEach((address, index) => {
    const place = places.of(server, `trustedProxies[${index}]`);
    const range = parseAddressRange(address);
    if (range === null) problems.add(place, 'must be an IP address or a CIDR range such as 10.0.0.0/8');
    else if (range.bits === 0) problems.add(place, 'trusts everybody: callers could say they are anyone');
  });
  if (production && database.url === '') {
    const place = places.of(database, 'url');
    problems.add(place, 'must be set: the embedded PostgreSQL is for development (NODE_ENV is production)');
  }
  if (production && gateway.accounting.journalDir === '') {
    const place = places.of(gateway.accounting, 'journalDir');
    problems.add(place, 'must be set: a folder that outlives the process (NODE_ENV is production)');
  }
  if (production && gateway.audit.enabled && gateway.audit.signingKeyFile === '') {
    const place = places.of(gateway.audit, 'signingKeyFile');
    problems.add(place, 'must be set: a mounted file; make one with aegis audit keygen (NODE_ENV is production)');
  }
  checkPepper(gateway, places, problems, production);
  checkTls(gateway, places, problems);
}

function checkPepper({ auth, database }: GatewayConfig, places: Places, problems: Problems, production: boolean): void {
  const place = places.of(auth, 'pepper');
  if (auth.pepper === '' && (production || database.url !== '')) {
    const why = production ? 'NODE_ENV is production' : 'only the embedded PostgreSQL comes with one of its own';
    problems.add(place, `must be set, to at least ${MIN_PEPPER_BYTES} bytes (${why})`);
  } else if (auth.pepper !== '' && Buffer.byteLength(auth.pepper) < MIN_PEPPER_BYTES) {
    problems.add(place, `must be at least ${MIN_PEPPER_BYTES} bytes long`);
  }
  if (auth.previousPepper === '') return;
  const previousPlace = places.of(auth, 'previousPepper');
  if (Buffer.byteLength(auth.previousPepper) < MIN_PEPPER_BYTES) {
    problems.add(previousPlace, `must be at least ${MIN_PEPPER_BYTES} bytes long`);
  } else if (auth.previousPepper === auth.pepper) {
    problems.add(previousPlace, 'is the same as auth.pepper: leave it out');
  }
}

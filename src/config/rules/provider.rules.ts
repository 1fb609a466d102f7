import type { Provider, ProviderType, UpstreamTimeouts } from '../../domain/target.js';
import type { Places } from '../places.js';
import type { Problems } from '../problem.js';
import type { RoutingConfig } from '../schema/gateway.config.js';
import type { ProviderConfig, ProvidersFile } from '../schema/providers.config.js';
import { buildConnection } from './connection.rules.js';

interface TypeFacts {
  /** Where the API is if the file does not say; null where it must. */
  readonly publicBaseUrl: string | null;
  readonly needsCredential: boolean;
}

const TYPES: Readonly<Record<Exclude<ProviderType, 'simulator'>, TypeFacts>> = {
  openai: { publicBaseUrl: 'https://api.openai.com/v1', needsCredential: true },
  anthropic: { publicBaseUrl: 'https://api.anthropic.com/v1', needsCredential: true },
  azure_openai: { publicBaseUrl: null, needsCredential: true },
  vllm: { publicBaseUrl: null, needsCredential: false },
  openai_compatible: { publicBaseUrl: null, needsCredential: false },
};

const AZURE_API_VERSION = '2024-10-21';
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const HEADER_VALUE = /^[\x20-\x7e]*$/;
/** What HTTP itself, or the client that speaks it, decides on. */
const FRAMING_HEADERS = new Set([
  'accept-encoding',
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'expect',
  'host',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

interface Context {
  readonly routing: RoutingConfig;
  readonly places: Places;
  readonly problems: Problems;
  readonly production: boolean;
  /** Processes that share a provider's places. */
  readonly workers: number;
}

/** The providers of the file by name; null for one that exists but whose type is at fault, so that little is known of it. */
export type ProvidersByName = ReadonlyMap<string, Provider | null>;

/** providers.yaml → providers by name, in the file's order. */
export function buildProviders(file: ProvidersFile, context: Context): ProvidersByName {
  const { places, problems } = context;
  return new Map(
    [...file.providers].map(([name, config]) => {
      const isTypeKnown = places.has(config, 'type') && !problems.covers(places.of(config, 'type'));
      return [name, isTypeKnown ? buildProvider(name, config, context) : null];
    }),
  );
}

function buildProvider(name: string, config: ProviderConfig, context: Context): Provider {
  const { type } = config;
  checkPlaces(config, context);
  const shared = {
    name,
    type,
    headers: buildHeaders(config, context),
    maxConcurrent: config.maxConcurrent,
    maxQueued: config.maxQueued,
    timeouts: buildTimeouts(config, context),
    connection: buildConnection(config, context),
  };
  if (type === 'simulator') {
    checkSimulator(config, context);
    return { ...shared, baseUrl: '', credential: '', credentials: [''], configured: true, apiVersion: '' };
  }
  const baseUrl = findBaseUrl(config, type, context);
  // One whose variable is empty is as if it were not there.
  const given = [...new Set([config.apiKey, ...config.apiKeys])].filter((credential) => credential !== '');
  const credentials = given.length > 0 ? given : [''];
  return {
    ...shared,
    baseUrl: baseUrl ?? '',
    credential: credentials[0] ?? '',
    credentials,
    configured: baseUrl !== null && (given.length > 0 || !TYPES[type].needsCredential),
    apiVersion: findApiVersion(config, context),
  };
}

/** Each worker has its share of them: one without any would never call the provider. */
function checkPlaces(config: ProviderConfig, { places, problems, workers }: Context): void {
  if (config.maxConcurrent >= workers) return;
  const message = `must be at least ${workers}, the number of workers (server.workers), among whom it is divided`;
  problems.add(places.of(config, 'maxConcurrent'), message);
}

function checkSimulator(config: ProviderConfig, { places, problems, production }: Context): void {
  if (production) {
    problems.add(
      places.of(config, 'type'),
      'must not be simulator while NODE_ENV is production: it answers nothing real. Point AEGIS_CONFIG_DIR at a configuration without it, such as config/production',
    );
  }
  for (const [property, key] of [
    ['baseUrl', 'base_url'] as const,
    ['apiKey', 'api_key'] as const,
    ['apiKeys', 'api_keys'] as const,
    ['caCertificates', 'ca_certificates'] as const,
    ['clientCertificate', 'client_certificate'] as const,
    ['clientKey', 'client_key'] as const,
    ['proxy', 'proxy'] as const,
  ]) {
    if (places.has(config, property)) {
      problems.add(places.of(config, property), `the simulator has no ${key}: it answers in this process`);
    }
  }
  if (places.has(config, 'apiVersion')) refuseApiVersion(config, places, problems);
}

function findApiVersion(config: ProviderConfig, { places, problems }: Context): string {
  if (config.type === 'azure_openai') return config.apiVersion ?? AZURE_API_VERSION;
  if (config.apiVersion !== null) refuseApiVersion(config, places, problems);
  return '';
}

function refuseApiVersion(config: ProviderConfig, places: Places, problems: Problems): void {
  problems.add(places.of(config, 'apiVersion'), 'only a provider of type azure_openai has an api_version');
}

/** The address without its trailing slash; null where a variable it is made from is empty: not configured, then. */
function findBaseUrl(
  config: ProviderConfig,
  type: Exclude<ProviderType, 'simulator'>,
  { places, problems }: Context,
): string | null {
  const text = config.baseUrl ?? TYPES[type].publicBaseUrl;
  if (text === null) {
    if (!places.has(config, 'baseUrl')) {
      problems.add(places.of(config), `"base_url" is missing: a provider of type ${type} has no public address`);
    }
    return null;
  }
  const place = places.of(config, 'baseUrl');
  if (text === '') return null;
  const url = URL.canParse(text) ? new URL(text) : null;
  const isAddress = url !== null && /^https?:$/.test(url.protocol) && /^[^.]/.test(url.hostname);
  if (url === null || !isAddress) {
    if (place.hasEmptyReference) return null;
    problems.add(place, 'must be an http:// or https:// address such as https://api.openai.com/v1');
    return null;
  }
  if (text.indexOf('://') !== text.lastIndexOf('://')) {
    const hint = place.references.length > 0 ? `; ${place.references.join(', ')} must hold only its part of it` : '';
    problems.add(place, `holds two addresses, one inside the other${hint}`);
  } else if (url.username !== '' || url.password !== '') {
    problems.add(place, 'must hold no user name or password; credentials belong in api_key or headers');
  } else if (/[?#\s]/.test(text)) {
    problems.add(place, 'must hold no blank, query or fragment: AEGIS appends the path of each call to it');
  }
  return text.replace(/(?<!\/)\/+$/, '');
}

/** Names in lower case, so that no header can be sent twice. */
function buildHeaders(config: ProviderConfig, { places, problems }: Context): Readonly<Record<string, string>> {
  const headers = new Map<string, string>();
  for (const [name, value] of Object.entries(config.headers)) {
    const place = places.of(config, `headers.${name}`);
    const lower = name.toLowerCase();
    if (!HEADER_NAME.test(name)) problems.add(place, 'the name must be a valid header name');
    else if (FRAMING_HEADERS.has(lower)) problems.add(place, 'this header is set by AEGIS itself');
    else if (headers.has(lower)) problems.add(place, 'this header stands twice');
    if (!HEADER_VALUE.test(value)) problems.add(place, 'the value must be visible ASCII on one line');
    headers.set(lower, value);
  }
  return Object.fromEntries(headers);
}

function buildTimeouts(config: ProviderConfig, { routing, places, problems }: Context): UpstreamTimeouts {
  const { timeouts, timeoutMs } = config;
  if (timeoutMs !== null && timeouts.totalMs !== null) {
    problems.add(places.of(config, 'timeoutMs'), 'is the same setting as timeouts.total; keep one of them');
  }
  return {
    connectMs: timeouts.connectMs ?? routing.connectTimeoutMs,
    firstByteMs: timeouts.firstByteMs ?? routing.firstByteTimeoutMs,
    firstContentMs: timeouts.firstContentMs ?? routing.firstContentTimeoutMs,
    idleMs: timeouts.idleMs ?? routing.idleTimeoutMs,
    totalMs: timeouts.totalMs ?? timeoutMs ?? routing.deadlineMs,
  };
}

import type { Provider, ProviderType } from '../../domain/target.js';

/**
 * Names of OpenTelemetry's semantic conventions v1.41.1, the last release that has the GenAI conventions beside the
 * others. They are written out because no package exports them under a stable name.
 * Source: https://github.com/open-telemetry/semantic-conventions/tree/v1.41.1/docs/gen-ai
 */
export const CONVENTIONS_SCHEMA_URL = 'https://opentelemetry.io/schemas/1.41.1';

export const OPERATION = 'chat';

/** Of each attribute: providers name their models as they like. */
export const MAX_ATTRIBUTE_CHARACTERS = 256;

/** Seconds, as the conventions ask for all three of their durations. */
export const DURATION_BOUNDARIES = [
  0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
];
export const TOKEN_BOUNDARIES = [
  1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864,
];

const PROVIDER_NAMES: Readonly<Record<ProviderType, string>> = {
  openai: 'openai',
  anthropic: 'anthropic',
  azure_openai: 'azure.ai.openai',
  // The conventions have no word for these.
  vllm: 'vllm',
  openai_compatible: 'openai_compatible',
  simulator: 'simulator',
};

export function providerNameOf({ type }: Provider): string {
  return PROVIDER_NAMES[type];
}

export interface ServerAddress {
  readonly 'server.address'?: string;
  readonly 'server.port'?: number;
}

/** By provider: providers are frozen, and a reload makes new ones. */
const addresses = new WeakMap<Provider, ServerAddress>();

/** Empty for the simulator, which has none. */
export function serverAddressOf(provider: Provider): ServerAddress {
  let address = addresses.get(provider);
  if (!address) {
    address = readAddress(provider.baseUrl);
    addresses.set(provider, address);
  }
  return address;
}

function readAddress(baseUrl: string): ServerAddress {
  if (!URL.canParse(baseUrl)) return {};
  const { hostname, port, protocol } = new URL(baseUrl);
  const defaultPort = protocol === 'https:' ? 443 : 80;
  return { 'server.address': hostname, 'server.port': port === '' ? defaultPort : Number(port) };
}

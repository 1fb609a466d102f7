import type { Classification } from './classification.js';

export const PROVIDER_TYPES = [
  'openai',
  'anthropic',
  'azure_openai',
  'vllm',
  'openai_compatible',
  'simulator',
] as const;
export type ProviderType = (typeof PROVIDER_TYPES)[number];

/** Time limits of one attempt, in milliseconds. */
export interface UpstreamTimeouts {
  readonly connectMs: number;
  /** Until the upstream's response headers. */
  readonly firstByteMs: number;
  /** Until the first content of a stream. */
  readonly firstContentMs: number;
  /** Between two reads of a body. */
  readonly idleMs: number;
  /** The whole attempt. */
  readonly totalMs: number;
}

/** How a provider is reached, where it is not directly and with the certificates everybody trusts. */
export interface ProviderConnection {
  /** PEM certificates trusted besides the system's; empty: none. */
  readonly caCertificates: string;
  /** PEM certificate chain with which AEGIS proves who it is, and its key; empty: none. The key is never logged. */
  readonly clientCertificate: string;
  readonly clientKey: string;
  /** `http://` or `https://` address of a proxy, with its user name and password; empty: none. Never logged. */
  readonly proxy: string;
}

/** A company or server that serves models. */
export interface Provider {
  readonly name: string;
  readonly type: ProviderType;
  /** Without a trailing slash; empty for the simulator. */
  readonly baseUrl: string;
  /** AEGIS's own credential at the provider; empty where the provider needs none. Never logged. */
  readonly credential: string;
  /** All of AEGIS's credentials there, `credential` among them; used in this order as the provider refuses one. */
  readonly credentials: readonly string[];
  /** False where the provider needs a credential or an address that its config leaves empty. */
  readonly configured: boolean;
  /** Azure OpenAI's `api-version`; empty elsewhere. */
  readonly apiVersion: string;
  /** Sent with every request to this provider. */
  readonly headers: Readonly<Record<string, string>>;
  readonly maxConcurrent: number;
  /** Requests that may wait for a place once `maxConcurrent` are open. */
  readonly maxQueued: number;
  readonly timeouts: UpstreamTimeouts;
  readonly connection: ProviderConnection;
}

/** One way to serve an alias: provider + model + clearance. */
export interface Target {
  /** Unique within its alias and stable over reloads, e.g. `anthropic/claude-haiku-4-5`. */
  readonly id: string;
  readonly provider: Provider;
  /** The provider's name for the model. */
  readonly model: string;
  /** Azure OpenAI's deployment; null elsewhere. */
  readonly deployment: string | null;
  readonly classificationCeiling: Classification;
  /** Share among the primaries of a `weighted` model; at least 1. */
  readonly weight: number;
  /** Largest answer in tokens that the target accepts; null = the adapter's default. */
  readonly maxOutputTokens: number | null;
}

/** What clients see of who served them (`x-aegis-provider`, `x-aegis-model`, `x-aegis-attempts`). */
export interface ServedBy {
  readonly provider: string;
  readonly model: string;
  readonly attempts: number;
}

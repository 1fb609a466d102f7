import type { Provider, ProviderType, Target } from '../../src/domain/target.js';

/** A target of a provider type, as configuration would make it. */
export function targetOf(
  type: ProviderType,
  changes: { readonly provider?: Partial<Provider>; readonly target?: Partial<Omit<Target, 'provider'>> } = {},
): Target {
  return {
    id: `${type}/upstream-model`,
    model: 'upstream-model',
    deployment: type === 'azure_openai' ? 'a-deployment' : null,
    classificationCeiling: 'INTERNAL',
    weight: 1,
    maxOutputTokens: null,
    ...changes.target,
    provider: {
      name: type,
      type,
      baseUrl: 'https://upstream.test/v1',
      credential: 'a-credential',
      credentials: [changes.provider?.credential ?? 'a-credential'],
      configured: true,
      apiVersion: type === 'azure_openai' ? '2024-10-21' : '',
      headers: {},
      maxConcurrent: 10,
      maxQueued: 0,
      connection: { caCertificates: '', clientCertificate: '', clientKey: '', proxy: '' },
      timeouts: { connectMs: 1000, firstByteMs: 1000, firstContentMs: 1000, idleMs: 1000, totalMs: 1000 },
      ...changes.provider,
    },
  };
}

import { startTestGateway, type TestGateway } from './gateway.js';

const ALIASES = ['openai', 'anthropic', 'azure', 'vllm', 'compatible'];

/** A gateway with a model for each kind of provider, all of them at this address. */
export function startConformanceGateway(url: string): Promise<TestGateway> {
  const credential = { api_key: 'upstream-credential' };
  return startTestGateway({
    // Thousands of broken answers are asked of the same targets: none of them may be left alone for it.
    gateway: { routing: { max_attempts: 1, max_cooldown: '0s', circuit_breaker: { enabled: false } } },
    providers: {
      openai: { type: 'openai', base_url: `${url}/v1`, ...credential },
      anthropic: { type: 'anthropic', base_url: `${url}/v1`, ...credential },
      azure: { type: 'azure_openai', base_url: url, ...credential, api_version: '2024-10-21' },
      vllm: { type: 'vllm', base_url: `${url}/v1` },
      compatible: { type: 'openai_compatible', base_url: `${url}/v1` },
    },
    models: Object.fromEntries(
      ALIASES.map((alias) => [
        alias,
        {
          primary: {
            provider: alias,
            model: 'recorded',
            classification_ceiling: 'RESTRICTED',
            ...(alias === 'azure' && { deployment: 'recorded' }),
          },
        },
      ]),
    ),
    freeModels: ALIASES.map((alias) => `${alias}/recorded`),
  });
}

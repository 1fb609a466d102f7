import { PROVIDER_TYPES, type ProviderType } from '../../domain/target.js';
import { Choice, Duration, Section, SectionMap, Text, TextList, TextMap, Whole } from './setting.js';

const MAX_ATTEMPT_MS = 3_600_000;

/** Time limits of one provider; null where `routing` of gateway.yaml decides. */
export class ProviderTimeoutsConfig {
  @Duration({ about: 'Until the provider accepts the connection.', minMs: 10, maxMs: MAX_ATTEMPT_MS })
  connectMs: number | null = null;

  @Duration({ about: 'Until the response headers.', minMs: 10, maxMs: MAX_ATTEMPT_MS })
  firstByteMs: number | null = null;

  @Duration({ about: 'Until the first content of a stream.', minMs: 10, maxMs: MAX_ATTEMPT_MS })
  firstContentMs: number | null = null;

  @Duration({ about: 'Between two reads of a body.', minMs: 10, maxMs: MAX_ATTEMPT_MS })
  idleMs: number | null = null;

  @Duration({ about: 'The whole attempt.', minMs: 10, maxMs: MAX_ATTEMPT_MS })
  totalMs: number | null = null;
}

export class ProviderConfig {
  @Choice({ about: 'Which API the provider speaks.', required: true, choices: PROVIDER_TYPES })
  type: ProviderType = 'openai_compatible';

  /** Null where the file leaves it out: the type's public address then, where it has one. */
  @Text({ about: 'Address of the API, up to and with its version, e.g. https://api.openai.com/v1.' })
  baseUrl: string | null = null;

  @Text({
    about: "AEGIS's own credential at the provider.",
    secret: true,
    pattern: /^[\x21-\x7e]*$/,
    mustBe: 'visible ASCII without blanks (is there a line feed or a quote too many?)',
  })
  apiKey = '';

  @TextList({
    about: 'Further credentials at the provider, used in this order while it refuses or limits those before.',
    secret: true,
    pattern: /^[\x21-\x7e]*$/,
    mustBe: 'a list of credentials: visible ASCII without blanks',
  })
  apiKeys: readonly string[] = [];

  @Text({
    about: "Azure OpenAI's api-version.",
    pattern: /^[A-Za-z0-9.-]{1,40}$/,
    mustBe: 'an API version such as "2024-10-21"',
  })
  apiVersion: string | null = null;

  @TextMap({ about: 'Headers sent with every request to this provider.' })
  headers: Readonly<Record<string, string>> = {};

  @Text({ about: `Certificates (PEM) that are trusted besides the system's, such as \${file:/run/secrets/ca.pem}.` })
  caCertificates = '';

  @Text({ about: 'Certificate (PEM) with which AEGIS proves to the provider who it is; needs client_key.' })
  clientCertificate = '';

  @Text({ about: 'Private key (PEM) of client_certificate.', secret: true })
  clientKey = '';

  @Text({
    about: 'Proxy to reach the provider through, e.g. http://proxy:3128, with user:password@ where it wants them.',
    secret: true,
  })
  proxy = '';

  @Duration({ about: 'The whole attempt; the same as timeouts.total.', minMs: 10, maxMs: MAX_ATTEMPT_MS })
  timeoutMs: number | null = null;

  @Section(ProviderTimeoutsConfig, { about: "Time limits where this provider's differ from those of gateway.yaml." })
  timeouts = new ProviderTimeoutsConfig();

  @Whole({ about: 'Requests open at this provider at the same time.', min: 1, max: 100_000 })
  maxConcurrent = 200;

  @Whole({ about: 'Requests that may wait for a place while max_concurrent are open.', min: 0, max: 100_000 })
  maxQueued = 100;
}

/** `providers.yaml`. */
export class ProvidersFile {
  @SectionMap(ProviderConfig, {
    about: 'Companies and servers that serve models, by the name that models.yaml and pricing.yaml use.',
    required: true,
    names: /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
  })
  providers: ReadonlyMap<string, ProviderConfig> = new Map();
}

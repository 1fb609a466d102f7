import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { ProviderConnection } from '../../domain/target.js';
import type { Places } from '../places.js';
import type { Problems } from '../problem.js';
import type { ProviderConfig } from '../schema/providers.config.js';

interface Context {
  readonly places: Places;
  readonly problems: Problems;
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** How the provider is reached. What is at fault is reported, and left out of the result. */
export function buildConnection(config: ProviderConfig, context: Context): ProviderConnection {
  return {
    caCertificates: buildCertificates(config, 'caCertificates', context),
    ...buildIdentity(config, context),
    proxy: buildProxy(config, context),
  };
}

function buildCertificates(
  config: ProviderConfig,
  property: 'caCertificates' | 'clientCertificate',
  { places, problems }: Context,
): string {
  const text = config[property];
  if (text.trim() === '') return '';
  const certificates = text.match(CERTIFICATE) ?? [];
  if (certificates.length === 0) {
    problems.add(
      places.of(config, property),
      `must hold at least one certificate in PEM (-----BEGIN CERTIFICATE-----); for those of a file write \${file:/path}`,
    );
    return '';
  }
  const damaged = certificates.findIndex((certificate) => parseCertificate(certificate) === null);
  if (damaged < 0) return certificates.join('\n');
  problems.add(places.of(config, property), `certificate ${damaged + 1} of ${certificates.length} cannot be read`);
  return '';
}

function buildIdentity(
  config: ProviderConfig,
  context: Context,
): Pick<ProviderConnection, 'clientCertificate' | 'clientKey'> {
  const { places, problems } = context;
  const none = { clientCertificate: '', clientKey: '' };
  const clientCertificate = buildCertificates(config, 'clientCertificate', context);
  const clientKey = config.clientKey.trim();
  if ((config.clientCertificate.trim() === '') !== (clientKey === '')) {
    const [missing, given] =
      clientKey === ''
        ? (['client_key', 'clientCertificate'] as const)
        : (['client_certificate', 'clientKey'] as const);
    problems.add(places.of(config, given), `is of no use without ${missing}`);
    return none;
  }
  const certificate = parseCertificate(clientCertificate);
  if (!certificate) return none;
  try {
    if (certificate.checkPrivateKey(createPrivateKey(clientKey))) return { clientCertificate, clientKey };
    problems.add(places.of(config, 'clientKey'), 'is not the key of client_certificate');
  } catch {
    problems.add(places.of(config, 'clientKey'), 'must be a private key in PEM that is not encrypted');
  }
  return none;
}

/** Its first one, where there are several. */
function parseCertificate(pem: string): X509Certificate | null {
  try {
    return new X509Certificate(pem);
  } catch {
    return null;
  }
}

function buildProxy(config: ProviderConfig, { places, problems }: Context): string {
  const text = config.proxy;
  if (text === '') return '';
  const place = places.of(config, 'proxy');
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol) || url.hostname === '') {
    problems.add(place, 'must be an http:// or https:// address such as http://proxy:3128');
  } else if (url.pathname !== '/' || /[?#\s]/.test(text)) {
    problems.add(place, 'must hold no path, blank, query or fragment');
  } else if (!isDecodable(url.username) || !isDecodable(url.password)) {
    problems.add(place, 'the user name and password must be percent-encoded: a "%" itself is written %25');
  } else {
    return url.href;
  }
  return '';
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

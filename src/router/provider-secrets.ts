import type { Provider } from '../domain/target.js';
import type { UpstreamError } from '../domain/upstream-error.js';

/** A shorter credential is a placeholder like `EMPTY`, and a word of its own in many messages. */
const MIN_SECRET_LENGTH = 6;
const SECRET_HEADER = /auth|cookie|key|secret|token/i;

/**
 * An upstream's error without the credentials and hosts of any provider, whatever they look like: a provider may be a
 * gateway in front of others, and repeat what it was sent.
 */
export function withoutProviderSecrets(error: UpstreamError, providers: Iterable<Provider>): UpstreamError {
  if (error.fault.detail === undefined) return error;
  const secrets: string[] = [];
  const hosts: string[] = [];
  for (const { credentials, headers, baseUrl } of providers) {
    secrets.push(...credentials);
    for (const [name, value] of Object.entries(headers)) if (SECRET_HEADER.test(name)) secrets.push(value);
    if (URL.canParse(baseUrl)) hosts.push(new URL(baseUrl).hostname);
  }
  return error.withWords((words) => {
    let told = words;
    for (const secret of secrets) {
      if (secret.length >= MIN_SECRET_LENGTH) told = told.replaceAll(secret, '[redacted]');
    }
    for (const host of hosts) if (host !== '') told = told.replace(wholeWord(host), '[address]');
    return told;
  });
}

function wholeWord(host: string): RegExp {
  return new RegExp(`(?<![\\w-])${host.replace(/[^\w-]/g, '\\$&')}(?::\\d{1,5})?(?![\\w-])`, 'gi');
}

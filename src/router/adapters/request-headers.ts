import type { Provider } from '../../domain/target.js';

/**
 * The headers of a request to a provider: AEGIS's own, then those its configuration adds or replaces. No header of the
 * client is among them. Compression is declined, because a compressed stream reaches its reader late.
 */
export function buildHeaders(
  provider: Provider,
  isStream: boolean,
  credentialHeaders: Readonly<Record<string, string>>,
): Record<string, string> {
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    accept: isStream ? 'text/event-stream' : 'application/json',
    ...credentialHeaders,
  };
  for (const [name, value] of Object.entries(provider.headers)) headers[name.toLowerCase()] = value;
  headers['accept-encoding'] = 'identity';
  return headers;
}

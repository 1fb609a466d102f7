import { AegisError } from '../domain/errors.js';
import type { Finding } from '../domain/finding.js';
import { MEDIA_FILTER } from './filter-names.js';

const MAX_NAMED_FINDINGS = 10;

/** Refuses a request for what was found in it; names rules and places, never what was matched. */
export function contentFilterError(blocked: readonly Finding[]): AegisError {
  const named = blocked.slice(0, MAX_NAMED_FINDINGS).map(({ rule, path }) => `${rule} at ${path}`);
  const more = blocked.length > named.length ? ` and ${blocked.length - named.length} more` : '';
  return new AegisError(
    'content_filter',
    `This request was blocked because it holds ${kindOf(blocked)}: ${named.join(', ')}${more}. ${adviceOn(blocked)}`,
    { param: blocked[0]?.path ?? null, findings: blocked },
  );
}

function kindOf(blocked: readonly Finding[]): string {
  const filters = new Set(blocked.map(({ filter }) => filter));
  if (filters.size > 1) return 'what may not be sent';
  switch (blocked[0]?.filter) {
    case 'secrets':
      return 'what looks like a credential';
    case 'personal_data':
      return 'what looks like personal data';
    case 'prompt_injection':
      return 'what looks like an attempt to take over the model';
    case MEDIA_FILTER:
      return 'media that no filter can read';
    default:
      return 'what may not be sent';
  }
}

function adviceOn(blocked: readonly Finding[]): string {
  const isSecret = blocked.some(({ filter }) => filter === 'secrets');
  return `Take it out and send the request again${isSecret ? '; replace the credential if it is real' : ''}.`;
}

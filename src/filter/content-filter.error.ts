import { admits, type Classification } from '../domain/classification.js';
import { AegisError } from '../domain/errors.js';
import type { Finding } from '../domain/finding.js';
import { MEDIA_FILTER } from './filter-names.js';

const MAX_NAMED_FINDINGS = 10;

/** Refuses a request for what was found in it; names rules and places, never what was matched. */
export function contentFilterError(blocked: readonly Finding[]): AegisError {
  return new AegisError(
    'content_filter',
    `This request was blocked because it holds ${kindOf(blocked)}: ${nameAll(blocked)}. ${adviceOn(blocked)}`,
    { param: blocked[0]?.path ?? null, findings: blocked },
  );
}

/** Refuses a request whose level is above what its key may send; names what raised it there. */
export function deniedError(level: Classification, most: Classification, findings: readonly Finding[]): AegisError {
  const raising = findings.filter(({ action }) => typeof action === 'object' && !admits(most, action.raiseTo));
  const cause = raising.length > 0 ? ` It was raised by ${nameAll(raising)}.` : '';
  return new AegisError(
    'classification_denied',
    `This request is ${level}, and this key may send at most ${most}.${cause} ` +
      'Use a key with that clearance, or take out what raised the level.',
    raising.length > 0 ? { param: raising[0]?.path ?? null, findings: raising } : {},
  );
}

function nameAll(findings: readonly Finding[]): string {
  const named = findings.slice(0, MAX_NAMED_FINDINGS).map(({ rule, path }) => `${rule} at ${path}`);
  const more = findings.length > named.length ? ` and ${findings.length - named.length} more` : '';
  return named.join(', ') + more;
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

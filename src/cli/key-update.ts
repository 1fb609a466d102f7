import { statusOf } from '../auth/key-status.js';
import type { ApiKeyRecord, KeyChanges } from '../database/api-key.repository.js';
import { admits } from '../domain/classification.js';
import { InputError, InputReader } from './input.js';

/** Clears what need not be there. */
const NONE = 'none';
/** Lets a key use every model. */
const ALL = 'all';

/** What follows of a wish for a key as it is: its changes, or everything that keeps it from changing so. */
export type KeyUpdate = (current: ApiKeyRecord) => {
  readonly changes: KeyChanges;
  readonly problems: readonly string[];
};

/** Throws `InputError` with everything that is wrong whatever the key is. */
export function readKeyUpdate(options: Readonly<Record<string, unknown>>, nowMs: number): KeyUpdate {
  const input = new InputReader(options);
  const clearable = <T>(option: string, read: (option: string) => T | null, word = NONE): T | null | undefined => {
    const text = input.text(option);
    if (text === null) return undefined;
    return text.trim() === word ? null : read(option);
  };
  const required = <T>(option: string, read: (option: string) => T | null): T | undefined => read(option) ?? undefined;

  const keyName = required('name', (option) => input.name(option, { required: false }));
  const maxClassification = required('classification', (option) => input.classification(option));
  const defaultClassification = required('default-classification', (option) => input.classification(option));
  const budgetWindow = required('budget-window', (option) => input.budgetWindow(option));
  const wished = {
    keyName,
    maxClassification,
    defaultClassification,
    user: clearable('user', (option) => input.name(option, { required: false })),
    allowedModels: clearable('models', (option) => input.list(option), ALL),
    rpmLimit: clearable('rpm', (option) => input.limit(option)),
    tpmLimit: clearable('tpm', (option) => input.limit(option)),
    maxParallelRequests: clearable('max-parallel', (option) => input.limit(option)),
    budgetNanoUsd: clearable('budget-usd', (option) => input.usdAsNano(option)),
    expiresAtMs: clearable('expires', (option) => input.moment(option, nowMs)),
    mayExplain: typeof options.allowExplain === 'boolean' ? options.allowExplain : undefined,
  };
  input.assertValid();
  if (budgetWindow === undefined && Object.values(wished).every((value) => value === undefined)) {
    throw new InputError(['Nothing is to be changed: see aegis keys update --help']);
  }

  return (current) => {
    const problems: string[] = [];
    const { principal } = current;
    if (current.status === 'revoked') problems.push('This key is revoked: it does not change any more');

    const maximum = maxClassification ?? principal.maxClassification;
    const initial = defaultClassification ?? principal.defaultClassification;
    if (!admits(maximum, initial)) {
      problems.push(`The key would start at ${initial}, above the ${maximum} that it may send: change both`);
    }

    const budgetNanoUsd = wished.budgetNanoUsd === undefined ? principal.budgetNanoUsd : wished.budgetNanoUsd;
    if (budgetWindow !== undefined && budgetNanoUsd === null) {
      problems.push('--budget-window says nothing without a budget');
    }
    const window = budgetNanoUsd === null ? null : (budgetWindow ?? principal.budgetWindow ?? 'month');

    const { expiresAtMs } = wished;
    const isLonger =
      expiresAtMs !== undefined &&
      (expiresAtMs ?? Number.POSITIVE_INFINITY) > (principal.expiresAtMs ?? Number.POSITIVE_INFINITY);
    if (isLonger && current.revokedReason !== null) {
      problems.push(`This key was ${current.revokedReason}: its end is not put off`);
    } else if (expiresAtMs === undefined && statusOf(current, nowMs) === 'expired') {
      problems.push('This key is expired: give it a new end with --expires, or rotate a living one');
    }
    return { changes: withoutUndefined({ ...wished, budgetWindow: window }), problems };
  };
}

type Wishes = { readonly [Field in keyof KeyChanges]: KeyChanges[Field] | undefined };

function withoutUndefined(wishes: Wishes): KeyChanges {
  return Object.fromEntries(Object.entries(wishes).filter(([, value]) => value !== undefined)) as KeyChanges;
}

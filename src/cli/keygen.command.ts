import { isKeyEnvironment } from '../auth/api-key.js';
import type { Classification } from '../domain/classification.js';
import { admits, highest } from '../domain/classification.js';
import { withKeys } from './cli.context.js';
import { InputReader } from './input.js';
import { describeNewKey, toJson } from './key.view.js';
import type { KeyOrder } from './key-administration.service.js';

interface KeyRequest {
  readonly environment: string;
  readonly order: KeyOrder;
}

const DEFAULT_LEVEL: Classification = 'INTERNAL';

/** Who sets a limit relies on it, so it must not look as if it held. */
const LIMITS_NOTE =
  'Note: limits and budgets are recorded with the key; this version counts usage and does not enforce them yet.\n';

/** `aegis keygen`. Nothing is touched before every option is known to be usable. */
export async function generateKey(
  options: Readonly<Record<string, unknown>>,
  strays: readonly string[],
): Promise<void> {
  const { environment, order } = readKeyRequest(options, strays, Date.now());
  await withKeys(async (keys, snapshot) => {
    const unknownModels = (order.allowedModels ?? []).filter((alias) => !snapshot.models.has(alias));
    if (unknownModels.length > 0) {
      process.stderr.write(`Note: models.yaml has no ${unknownModels.join(', ')} yet.\n`);
    }
    if (hasLimits(order)) process.stderr.write(LIMITS_NOTE);
    const { key, record } = await keys.mint(environment, order);
    const nowMs = Date.now();
    const { id, ...facts } = toJson(record, nowMs);
    process.stdout.write(
      options.json === true ? `${JSON.stringify({ id, key, ...facts })}\n` : describeNewKey(key, record, nowMs),
    );
  });
}

/** Throws `InputError` with everything that is wrong. */
export function readKeyRequest(
  options: Readonly<Record<string, unknown>>,
  strays: readonly string[],
  nowMs: number,
): KeyRequest {
  const input = new InputReader(options);
  for (const stray of strays) input.problem(`${stray} is not known here`);
  const organization = input.name('org', { required: true });
  const team = input.name('team', { required: true });
  const keyName = input.name('name', { required: true });
  const user = input.name('user', { required: false });
  const environment = input.text('env') ?? (process.env.NODE_ENV === 'production' ? 'prod' : 'dev');
  if (!isKeyEnvironment(environment)) input.problem(`--env must be 1 to 16 of a-z and 0-9, not "${environment}"`);

  const maximum = input.classification('classification');
  const initial = input.classification('default-classification');
  if (maximum !== null && initial !== null && !admits(maximum, initial)) {
    input.problem(`--default-classification ${initial} is above --classification ${maximum}`);
  }
  const budgetNanoUsd = input.usdAsNano('budget-usd');
  const budgetWindow = input.budgetWindow('budget-window');
  if (budgetWindow !== null && input.text('budget-usd') === null) {
    input.problem('--budget-window says nothing without --budget-usd');
  }
  const limits = {
    rpmLimit: input.limit('rpm'),
    tpmLimit: input.limit('tpm'),
    maxParallelRequests: input.limit('max-parallel'),
  };
  const expiresAtMs = input.moment('expires', nowMs);
  input.assertValid();
  if (organization === null || team === null || keyName === null) throw new Error('a required name passed as missing');

  return {
    environment,
    order: {
      keyName,
      organization,
      team,
      user,
      ...limits,
      ...chooseLevels(initial, maximum),
      allowedModels: input.list('models'),
      budgetNanoUsd,
      budgetWindow: budgetNanoUsd === null ? null : (budgetWindow ?? 'month'),
      expiresAtMs,
      mayExplain: options.allowExplain === true,
    },
  };
}

function hasLimits({ rpmLimit, tpmLimit, maxParallelRequests, budgetNanoUsd }: KeyOrder): boolean {
  return [rpmLimit, tpmLimit, maxParallelRequests, budgetNanoUsd].some((limit) => limit !== null);
}

/** What was not said is INTERNAL, as far as what was said allows. */
function chooseLevels(
  initial: Classification | null,
  maximum: Classification | null,
): Pick<KeyOrder, 'defaultClassification' | 'maxClassification'> {
  const maxClassification = maximum ?? highest(initial ?? DEFAULT_LEVEL, DEFAULT_LEVEL);
  const fallback = admits(maxClassification, DEFAULT_LEVEL) ? DEFAULT_LEVEL : maxClassification;
  return { defaultClassification: initial ?? fallback, maxClassification };
}

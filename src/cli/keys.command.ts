import type { ApiKeyRecord } from '../database/api-key.repository.js';
import { withKeys } from './cli.context.js';
import { InputError, InputReader } from './input.js';
import { describeList, describeNewKey, toJson } from './key.view.js';
import type { KeyAdministration } from './key-administration.service.js';

type Options = Readonly<Record<string, unknown>>;

/** `aegis keys list`. */
export async function listKeys(options: Options): Promise<void> {
  const input = new InputReader(options);
  const organization = input.name('org', { required: false });
  const team = input.name('team', { required: false });
  input.assertValid();
  await withKeys(async (keys) => {
    const records = await keys.list({ ...(organization !== null && { organization }), ...(team !== null && { team }) });
    const nowMs = Date.now();
    process.stdout.write(
      options.json === true
        ? `${JSON.stringify(records.map((record) => toJson(record, nowMs)))}\n`
        : describeList(records, nowMs),
    );
  });
}

/** `aegis keys revoke`. */
export async function revokeKey(reference: string, options: Options): Promise<void> {
  const input = new InputReader(options);
  const reason = input.name('reason', { required: false });
  input.assertValid();
  await withKeys(async (keys) => {
    const record = await getKey(keys, reference);
    const { revoked, told } = await keys.revoke(record, reason);
    if (!told) warnOfDelay();
    const now = await getKey(keys, record.principal.keyId);
    const text = `${record.principal.keyPrefix} ${revoked ? 'is revoked' : 'was revoked before'}.\n`;
    process.stdout.write(options.json === true ? `${JSON.stringify(toJson(now, Date.now()))}\n` : text);
  });
}

/** `aegis keys rotate`. */
export async function rotateKey(reference: string, options: Options): Promise<void> {
  const input = new InputReader(options);
  const endsAtMs = input.moment('grace', Date.now());
  input.assertValid();
  await withKeys(async (keys) => {
    const record = await getKey(keys, reference);
    const rotated = await keys.rotate(record, endsAtMs === null ? null : new Date(endsAtMs));
    if (rotated === null) {
      const reason = record.revokedReason === null ? '' : ` (${record.revokedReason})`;
      throw new Error(
        `${record.principal.keyPrefix} is revoked, expired or rotated before${reason}: it is not rotated`,
      );
    }
    if (!rotated.told) warnOfDelay();
    const nowMs = Date.now();
    const { id, ...facts } = toJson(rotated.record, nowMs);
    process.stdout.write(
      options.json === true
        ? `${JSON.stringify({ id, key: rotated.key, ...facts, replaces: record.principal.keyId })}\n`
        : describeNewKey(rotated.key, rotated.record, nowMs),
    );
  });
}

/** By id, display prefix, or the key itself. Throws `InputError` where that is none, or several. */
export async function getKey(keys: KeyAdministration, reference: string): Promise<ApiKeyRecord> {
  const found = await keys.find(reference);
  const [only, ...others] = found;
  if (only === undefined) throw new InputError(['There is no such key: give its id, its prefix or the key itself']);
  if (others.length > 0) {
    const ids = found.map(({ principal }) => principal.keyId).join(', ');
    throw new InputError([`Several keys share this prefix; give an id: ${ids}`]);
  }
  return only;
}

function warnOfDelay(): void {
  process.stderr.write('Redis was not reached or is not configured: running gateways follow within seconds.\n');
}

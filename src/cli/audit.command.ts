import { createReadStream, createWriteStream, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { AuditPurger } from '../audit/audit.purger.js';
import { AuditStore } from '../audit/audit.store.js';
import { sealOf } from '../audit/audit-record.js';
import { exportAudit } from '../audit/export/audit.exporter.js';
import { findEvents, proveInclusion } from '../audit/export/audit.prover.js';
import type { AuditPeriod } from '../audit/export/selection.js';
import {
  findSigningKey,
  generateSigningKey,
  loadSigningKey,
  loadTrustedKeys,
  readSigningKey,
  type TrustedKeys,
  trustKeys,
} from '../audit/signing-key.js';
import { verifyDatabase } from '../audit/verify/database.verification.js';
import { type ExportVerification, verifyExport } from '../audit/verify/export.verification.js';
import type { AuditProblem, Verification } from '../audit/verify/verification.js';
import { withConfig, withLedger } from './cli.context.js';
import { InputError, InputReader } from './input.js';

type Options = Readonly<Record<string, unknown>>;

const FAULTY_EXIT_CODE = 2;
const UNPROVEN_EXIT_CODE = 1;
const MAX_TOLD = 20;

/** `aegis audit export`. */
export async function exportRecords(options: Options): Promise<void> {
  const input = new InputReader(options);
  const period = readPeriod(input);
  const output = input.text('output');
  input.assertValid();
  await withLedger(async ({ database, snapshot }) => {
    const key = findSigningKey(snapshot.gateway.audit);
    if (!key) warn('There is no signing key here: nothing will prove that no ends of chains were left out.');
    // As the audit is at one moment: a purge meanwhile would leave a hole that nobody could explain.
    await new AuditStore(database).atOneMoment(async (store) => {
      const lines = Readable.from(exportAudit(store, period, key, new Date()));
      // Who asked whom is nobody else's on this machine.
      if (output !== null) await pipeline(lines, createWriteStream(output, { mode: 0o600 }));
      else await pipeline(lines, process.stdout, { end: false });
    });
  });
}

/** `aegis audit verify`. Exit code 2 where something is wrong, 1 where an export cannot show that nothing was left out. */
export async function verifyRecords(file: string | undefined, options: Options): Promise<void> {
  const input = new InputReader(options);
  const period = readPeriod(input);
  const keyFiles = Array.isArray(options.publicKey) ? options.publicKey.map(String) : [];
  if (file !== undefined && (period.from || period.to))
    input.problem('--from and --to do not go with a file: an export has its own');
  input.assertValid();
  const given = keyFiles.length > 0 ? readPublicKeys(keyFiles) : null;
  if (file === undefined) return tell(await verifyOnline(period, given), options.json === true, true);
  const result = await verifyFile(file, given);
  tell(result, options.json === true, result.isManifestSigned);
  // Else whoever can write the file takes away the signature, and with it whole chains, and all is well.
  const isProven = result.isManifestSigned || options.acceptUnsigned === true;
  if (result.problems.length === 0 && !isProven) process.exitCode = UNPROVEN_EXIT_CODE;
}

/** `aegis audit prove`. */
export async function proveRecord(reference: string): Promise<void> {
  await withLedger(async ({ database }) => {
    const store = new AuditStore(database);
    const [event, ...others] = await findEvents(store, reference);
    if (!event) throw new InputError(['There is no such event: give WRITER:NUMBER, or the id of a request']);
    if (others.length > 0) {
      const lines = [event, ...others].map(({ record }) => {
        const what = record.type === 'request.decided' ? `${record.decision}, ${record.reason}` : record.type;
        return `${record.writer}:${record.seq}  ${record.at}  ${what}`;
      });
      throw new InputError(['Several events are meant; give one of them:', ...lines]);
    }
    if (sealOf(event.record)) throw new Error('This record is a seal: it is signed itself.');
    const proof = await proveInclusion(store, event);
    if (!proof)
      throw new Error(
        'No seal covers this event, or the records that one covers are not all there. Try aegis audit verify.',
      );
    process.stdout.write(`${JSON.stringify(proof, null, 2)}\n`);
  });
}

/** `aegis audit purge`. */
export async function purgeRecords(options: Options): Promise<void> {
  const input = new InputReader(options);
  const beforeMs = input.anyMoment('before');
  if (input.text('before') === null) input.problem('--before is missing');
  else if (beforeMs !== null && beforeMs > Date.now()) input.problem('--before lies in the future');
  input.assertValid();
  await withLedger(async ({ database, snapshot }) => {
    const { audit } = snapshot.gateway;
    const key = loadSigningKey(audit);
    const purger = new AuditPurger(new AuditStore(database), key, snapshot.version, loadTrustedKeys(audit));
    const { removed, chains } = await purger.purge(new Date(beforeMs ?? 0));
    process.stdout.write(
      options.json === true
        ? `${JSON.stringify({ removed, chains })}\n`
        : `Removed ${removed} records of ${chains} chains.\n`,
    );
  });
}

/** `aegis audit keygen`: a private key beside its public one. */
export async function generateAuditKey(options: Options): Promise<void> {
  const input = new InputReader(options);
  const output = input.text('output');
  if (output === null || output === '') input.problem('--output is missing');
  input.assertValid();
  const file = output ?? '';
  if (options.ifMissing === true && existsSync(file)) return;
  const pem = generateSigningKey();
  const { id, publicPem } = readSigningKey(pem);
  // A key that is there may have sealed records: it is never overwritten.
  writeFileSync(file, pem, { mode: 0o600, flag: 'wx' });
  writeFileSync(`${file}.pub`, publicPem, { mode: 0o644, flag: 'wx' });
  process.stdout.write(
    options.json === true
      ? `${JSON.stringify({ id, private_key: file, public_key: `${file}.pub` })}\n`
      : `Key ${id}: ${file} is for the gateways alone, ${file}.pub for everybody who verifies.\n`,
  );
}

/** `aegis audit public-key`: the configured one, as PEM. */
export function printPublicKey(): Promise<void> {
  return withConfig(async ({ gateway }) => {
    process.stdout.write(loadSigningKey(gateway.audit).publicPem);
  });
}

function verifyOnline(period: AuditPeriod, given: TrustedKeys | null): Promise<Verification> {
  return withLedger(({ database, snapshot }) =>
    verifyDatabase(new AuditStore(database), period, given ?? loadTrustedKeys(snapshot.gateway.audit), Date.now()),
  );
}

async function verifyFile(file: string, given: TrustedKeys | null): Promise<ExportVerification> {
  const keys = given ?? (await withConfig(async ({ gateway }) => loadTrustedKeys(gateway.audit)));
  if (keys.size === 0) throw new Error('There is no key to verify with: give --public-key FILE.');
  const result = await verifyExport(createReadStream(file), keys, Date.now());
  if (!result.isManifestSigned && result.problems.length === 0) {
    warn('The manifest is not signed: nothing proves that no ends of chains were left out.');
  }
  return result;
}

function tell(result: Verification, isJson: boolean, isComplete: boolean): void {
  const { problems, notes } = result;
  const first = problems[0] ?? null;
  if (isJson) {
    process.stdout.write(
      `${JSON.stringify({ valid: first === null, first, ...result, problems: problems.slice(0, MAX_TOLD) })}\n`,
    );
  } else {
    const { records, chains, seals, unsealed } = result;
    const lines = [
      `${records} records in ${chains} chains, ${seals} seals${unsealed > 0 ? `, ${unsealed} records wait for theirs` : ''}.`,
    ];
    lines.push(...notes);
    lines.push(...problems.slice(0, MAX_TOLD).map(describe));
    if (problems.length > MAX_TOLD) lines.push(`… and ${problems.length - MAX_TOLD} more.`);
    lines.push(
      first === null
        ? isComplete
          ? 'The audit is whole.'
          : 'What is there is as it was written.'
        : `The audit is not whole. First bad record: ${first.record ?? `line ${first.place}`}, ${first.fault}.`,
    );
    process.stdout.write(`${lines.join('\n')}\n`);
  }
  if (first !== null) process.exitCode = FAULTY_EXIT_CODE;
}

function describe({ fault, place, record, message }: AuditProblem): string {
  return `${fault}: ${record === null ? '' : `${record}, `}line ${place}: ${message}`;
}

function readPeriod(input: InputReader): AuditPeriod {
  const [fromMs, toMs] = [input.anyMoment('from'), input.anyMoment('to')];
  return { from: fromMs === null ? null : new Date(fromMs), to: toMs === null ? null : new Date(toMs) };
}

function readPublicKeys(files: readonly string[]): TrustedKeys {
  return trustKeys(
    files.map((file) => {
      const pem = readFileSync(file, 'utf8');
      if (pem.includes('PRIVATE KEY')) throw new InputError([`--public-key: ${file} is a private key`]);
      return pem;
    }),
  );
}

function warn(message: string): void {
  process.stderr.write(`${message}\n`);
}

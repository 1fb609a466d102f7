/**
 * What the audit of one request costs its process: its one event, made, put into canonical JSON, hashed, chained and
 * written, seals included. Processor time alone, user's and system's. And how long it takes to verify an export.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { AuditJournal } from '../../dist/src/audit/audit.journal.js';
import { AuditWriter } from '../../dist/src/audit/audit.writer.js';
import { AuditChain } from '../../dist/src/audit/audit-chain.js';
import { ExportWriter } from '../../dist/src/audit/export/export-file.js';
import { RequestAuditor } from '../../dist/src/audit/request.auditor.js';
import { generateSigningKey, readSigningKey, trustKeys } from '../../dist/src/audit/signing-key.js';
import { verifyExport } from '../../dist/src/audit/verify/export.verification.js';
import { systemClock } from '../../dist/src/domain/clock.js';
import { measureQuietest, say } from './rounds.mjs';

const REQUESTS = 20_000;
const ROUNDS = 7;
const EXPORTED = 100_000;
const GIBIBYTE = 1024 ** 3;

const key = readSigningKey(generateSigningKey());
const snapshot = { models: new Map([['aegis-fast', {}]]), gateway: { audit: { onFailure: 'closed' } } };
const principal = {
  keyId: randomUUID(),
  organization: 'acme',
  team: 'core',
  user: 'ada',
  defaultClassification: 'INTERNAL',
};

function makeContext() {
  return {
    requestId: '3f0e6c1c-0a54-4f43-9b38-0a3c3d9f9f43',
    usageId: '3f0e6c1c-0a54-4f43-9b38-0a3c3d9f9f44',
    snapshot,
    principal,
    project: 'apollo',
    requestedModel: 'aegis-fast',
    requestedLevel: null,
    level: 'INTERNAL',
    findings: [],
    attempts: [],
    beforeAttempt: null,
  };
}

async function measureWriting() {
  const directory = mkdtempSync(path.join(tmpdir(), 'aegis-bench-audit-'));
  const logger = { log: () => undefined, warn: console.warn, error: console.error };
  const settings = { directory, maxBytes: GIBIBYTE, syncIntervalMs: 1_000 };
  const journal = new AuditJournal(settings, { records: 0, failures: 0 }, logger);
  const options = { checkpointEvents: 1_000, checkpointIntervalMs: 10_000 };
  const writer = new AuditWriter(journal, key, options, systemClock, logger, () => 'bench');
  await writer.open();
  const auditor = new RequestAuditor(writer);
  const act = () => {
    const context = makeContext();
    auditor.begin(context);
    context.beforeAttempt('anthropic', 'claude-haiku-4-5');
    auditor.finish(context, null);
  };
  try {
    const cost = await measureQuietest(act, { rounds: ROUNDS, times: REQUESTS });
    console.log(`Audit, Node ${process.versions.node}: best of ${ROUNDS} rounds of ${REQUESTS}`);
    say('a request that is let through', cost.toFixed(1), 'µs CPU');
    assert.equal(writer.lost, 0, 'events were lost');
    assert(writer.records > REQUESTS * ROUNDS, 'events are missing');
    say('on disk', (journal.bytes / writer.records).toFixed(0), 'bytes an event');
  } finally {
    journal.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function measureVerifying() {
  const chain = new AuditChain(randomUUID(), key);
  const writer = new ExportWriter();
  const pieces = [writer.header({ exported_at: new Date().toISOString(), from: null, to: null })];
  let last;
  const add = (record) => {
    chain.commit(record);
    pieces.push(writer.record(record.line));
    last = record;
  };
  const at = new Date().toISOString();
  add(chain.draft({ type: 'chain.opened', reason: 'started', host: 'bench', config: 'bench' }, at));
  const target = { provider: 'anthropic', model: 'claude-haiku-4-5' };
  const who = { key_id: principal.keyId, organization: 'acme', team: 'core', model: 'aegis-fast', level: 'INTERNAL' };
  for (let index = 1; index <= EXPORTED; index++) {
    const event = {
      type: 'request.decided',
      decision: 'allow',
      reason: 'permitted',
      request_id: randomUUID(),
      ...who,
      target,
    };
    add(chain.draft(event, at));
    if (index % 1_000 === 0) add(chain.draftCheckpoint('count', at));
  }
  add(chain.draftClosing(at));
  writer.chain({ writer: chain.writer, first: 1, last: last.record.seq, hash: last.hash });
  pieces.push(writer.manifest(key));
  const folder = mkdtempSync(path.join(tmpdir(), 'aegis-bench-audit-'));
  const file = path.join(folder, 'export.jsonl');
  try {
    writeFileSync(file, pieces.join(''));
    const bytes = readFileSync(file);
    const keys = trustKeys([key.publicPem]);
    const startedAt = performance.now();
    const { problems, records } = await verifyExport(Readable.from([bytes]), keys, Date.now());
    const seconds = (performance.now() - startedAt) / 1_000;
    assert.deepEqual(problems, []);
    say(`an export of ${records} records verified in`, seconds.toFixed(1), 's');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export async function measureAudit() {
  await measureWriting();
  await measureVerifying();
}

if (import.meta.filename === process.argv[1]) await measureAudit();

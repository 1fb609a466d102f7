/**
 * What recording one request costs its process: both entries of a usual request (as it is sent, as it ends), made,
 * encoded and written, beside an empty append to a file. Processor time alone, user's and system's.
 */
import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { UsageFileJournal } from '../../dist/src/accounting/journal/usage.journal.js';
import { UsageRecorder } from '../../dist/src/accounting/usage.recorder.js';
import { systemClock } from '../../dist/src/domain/clock.js';
import { silentObserver } from '../../dist/src/domain/observer.js';
import { measureQuietest, say } from './rounds.mjs';

const REQUESTS = 20_000;
const ROUNDS = 7;
const GIBIBYTE = 1024 ** 3;

const usage = {
  promptTokens: 250,
  completionTokens: 120,
  totalTokens: 370,
  cachedPromptTokens: 0,
  cacheWriteTokens: 0,
  reasoningTokens: 0,
};
const snapshot = {
  pricing: { version: '2026-01-01' },
  gateway: { accounting: { onFailure: 'closed' } },
};

function makeContext() {
  return {
    requestId: '3f0e6c1c-0a54-4f43-9b38-0a3c3d9f9f43',
    snapshot,
    startedAtMs: performance.now(),
    project: 'apollo',
    principal: { keyId: '3f0e6c1c-0a54-4f43-9b38-0a3c3d9f9f43', organization: 'acme', team: 'core' },
    requestedModel: 'aegis-fast',
    stream: false,
    level: 'INTERNAL',
    served: { provider: 'anthropic', model: 'claude-haiku-4-5', attempts: 1 },
    attempts: [],
    usage,
    upstreamMs: 812.123,
    firstContentMs: 812.5,
    finishReason: 'stop',
    isAccountedFor: false,
    usageId: null,
    beforeAttempt: null,
  };
}

const attempt = {
  provider: 'anthropic',
  model: 'claude-haiku-4-5',
  outcome: 'success',
  durationMs: 812.123,
  usage,
  usageSource: 'provider',
  costNanoUsd: 850_000n,
};

export async function measureJournal() {
  const folder = mkdtempSync(path.join(tmpdir(), 'aegis-bench-journal-'));
  const logger = { log: () => undefined, warn: console.warn, error: console.error };
  const journal = new UsageFileJournal(
    { directory: folder, maxBytes: GIBIBYTE, syncIntervalMs: 1_000 },
    silentObserver,
    logger,
  );
  await journal.open();
  const recorder = new UsageRecorder(journal, systemClock, silentObserver);
  const file = openSync(path.join(folder, 'empty'), 'a');
  const oneByte = Buffer.alloc(1);
  try {
    const record = () => {
      const context = makeContext();
      recorder.begin(context);
      context.beforeAttempt('anthropic', 'claude-haiku-4-5');
      context.attempts.push(attempt);
      recorder.finish(context, { status: 200, code: null });
    };
    const cases = [
      ['an append of one byte', () => writeSync(file, oneByte)],
      ['a request: as it is sent and as it ends', record],
    ];
    console.log(`Journal, Node ${process.versions.node}: best of ${ROUNDS} rounds of ${REQUESTS}`);
    for (const [name, act] of cases) {
      say(name, (await measureQuietest(act, { rounds: ROUNDS, times: REQUESTS })).toFixed(1), 'µs CPU');
    }
    assert.equal(journal.depth, REQUESTS * ROUNDS, 'records are missing');
    say('on disk', (journal.bytes / journal.depth).toFixed(0), 'bytes a request');
  } finally {
    journal.close();
    closeSync(file);
    rmSync(folder, { recursive: true, force: true });
  }
}

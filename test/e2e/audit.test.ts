import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';
import { AuditStore } from '../../src/audit/audit.store.js';
import { exportAudit } from '../../src/audit/export/audit.exporter.js';
import { loadSigningKey, loadTrustedKeys } from '../../src/audit/signing-key.js';
import { verifyDatabase } from '../../src/audit/verify/database.verification.js';
import { verifyExport } from '../../src/audit/verify/export.verification.js';
import { SnapshotService } from '../../src/config/snapshot.service.js';
import { DatabaseService } from '../../src/database/database.service.js';
import { startTestGateway, type TestConfig, type TestGateway } from '../support/gateway.js';
import {
  brokenStreamAnswer,
  completionAnswer,
  errorAnswer,
  ScriptableUpstream,
  streamAnswer,
} from '../support/scriptable-upstream.js';

type Event = Record<string, unknown>;

const SECRET = `glp${'at-'}FHnePSXUv0xQPWB63lMJ`;
const CANARY = 'the-quick-canary-jumps-over';
const ANSWERED = 'the-lazy-canary-answers';
const SHIPPING_MS = 15_000;

describe('the audit of a gateway', () => {
  let first: ScriptableUpstream;
  let second: ScriptableUpstream;
  let gateway: TestGateway;
  let count = 0;
  let expectedDecisions = 0;
  const requestIds: string[] = [];

  const config = (filters: object = {}): TestConfig => {
    const provider = (url: string) => ({ type: 'openai', base_url: `${url}/v1`, api_key: 'credential' });
    const target = (name: string, ceiling = 'CONFIDENTIAL') => ({
      provider: name,
      model: 'm',
      classification_ceiling: ceiling,
    });
    return {
      gateway: { filters, audit: { checkpoint_interval: '200ms' } },
      providers: { first: provider(first.url), second: provider(second.url) },
      models: {
        alias: { primary: target('first') },
        pair: { primary: target('first'), fallback: [target('second')] },
        public: { primary: target('first', 'PUBLIC') },
      },
      freeModels: ['first/m', 'second/m'],
    };
  };

  beforeAll(async () => {
    [first, second] = await Promise.all([ScriptableUpstream.start(), ScriptableUpstream.start()]);
    gateway = await startTestGateway(config());
  });
  afterAll(async () => {
    await gateway.close();
    await first.close();
    await second.close();
  });
  beforeEach(() => {
    first.script(completionAnswer(ANSWERED));
    second.script(completionAnswer(ANSWERED));
  });

  const database = (): DatabaseService => gateway.gateway.app.get(DatabaseService, { strict: false });
  const query = <Row>(sql: string, values: unknown[] = []): Promise<Row[]> =>
    database().run((manager) => manager.query(sql, values));

  async function ask({
    key = gateway.key,
    model = 'alias',
    content = CANARY,
    stream = false,
    headers = {},
  } = {}): Promise<{
    status: number;
    requestId: string;
  }> {
    const requestId = `request-${++count}`;
    requestIds.push(requestId);
    const sent = await request(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${key}`,
        'content-type': 'application/json',
        'x-request-id': requestId,
        ...headers,
      },
      body: JSON.stringify({ model, stream, messages: [{ role: 'user', content }] }),
    });
    await sent.body.text().catch(() => '');
    return { status: sent.statusCode, requestId };
  }

  /** Waits until all that is in the journal is in PostgreSQL. */
  async function readEvents(where: string, values: unknown[] = []): Promise<Event[]> {
    const rows = await query<{ record: string }>(`SELECT record FROM audit_record WHERE ${where} ORDER BY seq`, values);
    return rows.map(({ record }) => JSON.parse(record) as Event);
  }

  /** What the audit has of a request, once it has as much as that. */
  async function eventsOf(requestId: string, atLeast: number): Promise<Event[]> {
    for (const end = performance.now() + SHIPPING_MS; ; await sleep(50)) {
      const events = await readEvents('request_id = $1', [requestId]);
      if (events.length >= atLeast || performance.now() > end) return events.map(withoutPlace);
    }
  }

  async function expectEvents(asked: { requestId: string }, expected: readonly Event[]): Promise<void> {
    expectedDecisions += expected.length;
    const events = await eventsOf(asked.requestId, expected.length);
    expect(events).toEqual(
      expected.map((event) => ({
        ...whoAsked,
        model: 'alias',
        level: 'INTERNAL',
        ...event,
        request_id: asked.requestId,
      })),
    );
  }

  const whoAsked = { type: 'request.decided', organization: 'acme', team: 'core' };
  const target = { provider: 'first', model: 'm' };
  const allow = { decision: 'allow', reason: 'permitted', target };
  const rules = [{ filter: 'secrets', rule: 'gitlab-token', count: 1 }];

  it('has one event for a request that is let through, streamed or not', async () => {
    await expectEvents(await ask(), [allow]);
    first.script(streamAnswer([ANSWERED]));
    await expectEvents(await ask({ stream: true }), [allow]);
    first.script(brokenStreamAnswer([ANSWERED], 'cut'));
    await expectEvents(await ask({ stream: true }), [allow]);
  });

  it('has a denial with its rule, and nothing of what was found', async () => {
    const asked = await ask({ content: `${CANARY} ${SECRET}` });
    expect(asked.status).toBe(400);
    await expectEvents(asked, [{ decision: 'deny', reason: 'content_filter', direction: 'request', rules }]);
  });

  it('has a denial for what the key may not do, and for models nobody knows without their name', async () => {
    const low = await gateway.mintKey({ maxClassification: 'INTERNAL', organization: 'acme', team: 'core' });
    const asked = await ask({ key: low, headers: { 'x-aegis-classification': 'RESTRICTED' } });
    expect(asked.status).toBe(403);
    await expectEvents(asked, [
      { decision: 'raise', reason: 'header', from_level: 'INTERNAL', level: 'RESTRICTED' },
      { decision: 'deny', reason: 'classification_denied', direction: 'request', level: 'RESTRICTED' },
    ]);
    const uncleared = await ask({ model: 'public' });
    await expectEvents(uncleared, [
      { decision: 'deny', reason: 'classification_denied', direction: 'request', model: 'public' },
    ]);
    const unknown = await ask({ model: CANARY });
    expect(unknown.status).toBe(404);
    await expectEvents(unknown, [
      { decision: 'deny', reason: 'model_not_found', direction: 'request', model: undefined },
    ]);
  });

  it('has the raise of a header, and where the request went then', async () => {
    const asked = await ask({ headers: { 'x-aegis-classification': 'CONFIDENTIAL' } });
    const level = 'CONFIDENTIAL';
    await expectEvents(asked, [
      { decision: 'raise', reason: 'header', from_level: 'INTERNAL', level },
      { ...allow, level },
    ]);
  });

  it('has the fallback, with the targets and why', async () => {
    first.script(errorAnswer(500));
    const asked = await ask({ model: 'pair' });
    expect(asked.status).toBe(200);
    await expectEvents(asked, [
      { ...allow, model: 'pair' },
      {
        decision: 'fallback',
        reason: 'upstream_fault',
        model: 'pair',
        from_target: target,
        target: { provider: 'second', model: 'm' },
      },
    ]);
  });

  it('has what the filters flagged, redacted and raised, under the configuration that serves then', async () => {
    const { version: before } = gateway.gateway.app.get(SnapshotService).current;
    await gateway.reload(config({ secrets: { action: 'flag' } }));
    await expectEvents(await ask({ content: SECRET }), [
      { decision: 'flag', reason: 'rule', direction: 'request', rules },
      allow,
    ]);
    await gateway.reload(config({ secrets: { action: 'redact' } }));
    await expectEvents(await ask({ content: SECRET }), [
      { decision: 'redact', reason: 'rule', direction: 'request', rules },
      allow,
    ]);
    await gateway.reload(config({ secrets: { action: 'raise', raise_to: 'CONFIDENTIAL' } }));
    await expectEvents(await ask({ content: SECRET }), [
      { decision: 'raise', reason: 'rule', from_level: 'INTERNAL', level: 'CONFIDENTIAL', rules },
      { ...allow, level: 'CONFIDENTIAL' },
    ]);
    await gateway.reload(config());
    const changes = await readEvents("type = 'config.changed'");
    expect(changes).toHaveLength(3);
    expect(changes[0]).toMatchObject({ reason: 'reloaded', from: before });
  });

  it('has what was done about answers: redacted, or held back', async () => {
    first.script(completionAnswer(`${ANSWERED} ${SECRET}`));
    await expectEvents(await ask(), [allow, { decision: 'redact', reason: 'rule', direction: 'response', rules }]);
    await gateway.reload(config({ secrets: { response_action: 'block' } }));
    const denial = { decision: 'deny', reason: 'content_filter', direction: 'response', rules };
    await expectEvents(await ask(), [allow, denial]);
    first.script(streamAnswer([ANSWERED, ' ', SECRET, ' ', ANSWERED]));
    await expectEvents(await ask({ stream: true }), [allow, denial]);
    await gateway.reload(config());
  });

  it('has what was done about the part of an answer that a client took before it left', async () => {
    const words = [`${SECRET} `, ...Array.from({ length: 400 }, () => 'word ')];
    first.script({ ...streamAnswer(words), pieceDelayMs: 50 });
    const requestId = `request-${++count}`;
    requestIds.push(requestId);
    const { body } = await request(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${gateway.key}`,
        'content-type': 'application/json',
        'x-request-id': requestId,
      },
      body: JSON.stringify({ model: 'alias', stream: true, messages: [{ role: 'user', content: CANARY }] }),
    });
    let text = '';
    for await (const piece of body) {
      text += String(piece);
      if (text.includes('REDACTED')) break;
    }
    expect(text).toContain('REDACTED');
    await expectEvents({ requestId }, [allow, { decision: 'redact', reason: 'rule', direction: 'response', rules }]);
  });

  it('counts callers whom nobody knows', async () => {
    const before = await readEvents("type = 'request.decided' AND request_id IS NULL");
    await Promise.all(Array.from({ length: 5 }, () => ask({ key: gateway.unknownKey() })));
    await ask({ key: 'nonsense' });
    let denied: Event[] = [];
    for (const end = performance.now() + SHIPPING_MS; performance.now() < end; await sleep(50)) {
      denied = (await readEvents("type = 'request.decided' AND request_id IS NULL")).slice(before.length);
      if (denied.reduce((sum, event) => sum + Number(event.count), 0) >= 6) break;
    }
    expect(denied.reduce((sum, event) => sum + Number(event.count), 0)).toBe(6);
    expect(denied[0]).toMatchObject({ decision: 'deny', reason: 'invalid_api_key' });
  });

  it('has every change of a key, by whatever statement, and no hash of one', async () => {
    await gateway.mintKey({ organization: 'changes', team: 'core' });
    const [row] = await query<{ id: string }>(
      "SELECT api_key.id FROM api_key JOIN team ON team.id = team_id JOIN organization ON organization.id = organization_id WHERE organization.name = 'changes'",
    );
    await query("UPDATE api_key SET max_classification = 'PUBLIC', default_classification = 'PUBLIC' WHERE id = $1", [
      row?.id,
    ]);
    await query('UPDATE api_key SET last_used_at = now() WHERE id = $1', [row?.id]);
    await query("UPDATE api_key SET status = 'revoked', revoked_at = now(), revoked_reason = 'lost' WHERE id = $1", [
      row?.id,
    ]);
    await query("UPDATE organization SET budget_nano_usd = 5, budget_window = 'day' WHERE name = 'changes'");
    let events: Event[] = [];
    for (const end = performance.now() + SHIPPING_MS; events.length < 4 && performance.now() < end; await sleep(50)) {
      events = await readEvents(
        "type IN ('key.changed', 'budget.changed') AND record LIKE '%\"organization\":\"changes\"%'",
      );
    }
    expect(events.map(({ type, reason }) => `${type} ${reason}`)).toEqual([
      'key.changed created',
      'key.changed updated',
      'key.changed revoked',
      'budget.changed updated',
    ]);
    expect(events[1]).toMatchObject({
      key_id: row?.id,
      changes: expect.arrayContaining([{ field: 'max_classification', from: 'RESTRICTED', to: 'PUBLIC' }]) as unknown,
    });
    expect(events[2]?.changes).toEqual([
      { field: 'revoked_at' },
      { field: 'revoked_reason' },
      { field: 'status', from: 'active', to: 'revoked' },
    ]);
    expect(JSON.stringify(events)).not.toMatch(/[0-9a-f]{64}.*key_hash|key_hash/);
  });

  it('verifies, in PostgreSQL and from an export, and holds one event for each decision', async () => {
    await sleep(2_500);
    const { audit } = gateway.gateway.app.get(SnapshotService).current.gateway;
    const store = gateway.gateway.app.get(AuditStore, { strict: false });
    const keys = loadTrustedKeys(audit);
    expect((await verifyDatabase(store, { from: null, to: null }, keys, Date.now())).problems).toEqual([]);
    const lines = exportAudit(store, { from: null, to: null }, loadSigningKey(audit), new Date());
    const bytes = Readable.from([Buffer.from(await collect(lines))]);
    expect((await verifyExport(bytes, keys, Date.now())).problems).toEqual([]);
    const [total] = await query<{ count: string }>(
      "SELECT count(*) FROM audit_record WHERE type = 'request.decided' AND request_id IS NOT NULL",
    );
    expect(Number(total?.count)).toBe(expectedDecisions);
  });

  it('holds not a word of what was said, anywhere', async () => {
    const tables = await query<{ name: string }>(
      "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public'",
    );
    let everything = '';
    for (const { name } of tables) {
      const rows = await query<{ row: string }>(`SELECT "${name}"::text AS row FROM "${name}"`);
      everything += rows.map(({ row }) => row).join('\n');
    }
    const store = gateway.gateway.app.get(AuditStore, { strict: false });
    everything += await collect(exportAudit(store, { from: null, to: null }, null, new Date()));
    everything += readAll(join(gateway.configDirectory, 'journal'));
    for (const planted of [SECRET, ANSWERED, gateway.key, gateway.key.slice(-12)])
      expect(everything).not.toContain(planted);
    // The ledger keeps the model that was asked for, whatever it is called; the audit does not.
    const audit = await query<{ row: string }>('SELECT audit_record::text AS row FROM audit_record');
    expect(audit.map(({ row }) => row).join('\n')).not.toContain(CANARY);
    // What is there is found: this search is not blind.
    for (const requestId of requestIds.slice(0, 3)) expect(everything).toContain(requestId);
    expect(everything).toContain('gitlab-token');
  });
});

function withoutPlace(event: Event): Event {
  const { v: _v, writer: _writer, seq: _seq, prev: _prev, at: _at, usage_id: _usage, key_id: _key, ...rest } = event;
  return rest;
}

async function collect(lines: AsyncIterable<string>): Promise<string> {
  let text = '';
  for await (const line of lines) text += line;
  return text;
}

function readAll(folder: string): string {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'))
    .join('\n');
}

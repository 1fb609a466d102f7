/**
 * Whether the books agree once all is quiet: what clients got, what providers answered, the ledger, the metrics, the
 * counters in Redis, the journals and the audit. Each check is `{check, found, wanted, isMet}`; nothing is near enough.
 */
import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { PRICES } from './site.mjs';

const check = (name, found, wanted = 0) => ({ check: name, found, wanted, isMet: String(found) === String(wanted) });

/** What never had a row in the ledger: it was refused before anybody knew whose it was. */
const WITHOUT_ROW = ['invalid_api_key', 'authentication_rate_limited', 'overloaded'];
const VANISHED = 'vanished';

const ROWS = `SELECT request_id, ending, code, requested_model, prompt_tokens, completion_tokens, cost_nano_usd
  FROM usage_request WHERE organization = $1`;
const ATTEMPTS = `SELECT request_id, attempt.provider, attempt.outcome, attempt.prompt_tokens, attempt.completion_tokens
  FROM usage_attempt AS attempt JOIN usage_request AS request ON request.id = attempt.usage_request_id
  WHERE organization = $1 AND request_id <> '${VANISHED}'`;

const hasRow = ({ key, ending }) => key !== null && !WITHOUT_ROW.some((code) => ending.endsWith(` ${code}`));
const costOf = ({ provider, prompt, completion }) =>
  BigInt(prompt) * PRICES[provider].prompt + BigInt(completion) * PRICES[provider].completion;
const sum = (values) => values.reduce((total, value) => total + value, 0n);

function groupBy(list, read) {
  const groups = new Map();
  for (const one of list) groups.set(read(one), [...(groups.get(read(one)) ?? []), one]);
  return groups;
}

/** Ledger and clients: a row for each request of a known key, one, and with the ending that its client saw. */
function compareWithClients(rows, asked) {
  const wanted = [...asked].filter(([, facts]) => hasRow(facts));
  const whole = wanted.filter(([, { ending }]) => ending === 'whole').map(([id]) => id);
  // A client that left in the same moment may have had a row, or have gone before anything was known of it.
  const certain = wanted.filter(([, { ending }]) => ending !== 'left').map(([id]) => id);
  const known = rows.filter(({ request_id }) => asked.has(request_id));
  const complete = new Set(known.filter(({ ending }) => ending === 'complete').map(({ request_id }) => request_id));
  const ids = new Set(known.map(({ request_id }) => request_id));
  return [
    check('requests without a row in the ledger', certain.filter((id) => !ids.has(id)).length),
    check('requests with two rows', known.length - ids.size),
    check('whole answers that the ledger does not call complete', whole.filter((id) => !complete.has(id)).length),
    check(
      'complete in the ledger, and not at the client',
      [...complete].filter((id) => !['whole', 'left'].includes(asked.get(id).ending)).length,
    ),
    check(
      'rows that nobody asked for',
      rows.filter(({ request_id }) => !asked.has(request_id) && request_id !== VANISHED && !isOperator(request_id))
        .length,
    ),
  ];
}

/** The soak's own look at /v1/models has an id that the gateway made. */
const isOperator = (id) => /^[0-9a-f]{8}-[0-9a-f]{4}-/.test(id);

/** Ledger and providers: each answer that a provider gave to its end, its tokens, and each key's money. */
function compareWithProviders(rows, attempts, asked, books) {
  const finished = [...books].flatMap(([id, list]) =>
    list.filter(({ ending }) => ending === 'finished' && id !== VANISHED).map((one) => ({ id, ...one })),
  );
  const hasLeft = (id) => asked.get(id)?.ending === 'left';
  const served = attempts.filter(({ outcome }) => outcome === 'success');
  const nameOf = ({ id, provider, prompt, completion }) => `${id} ${provider} ${prompt} ${completion}`;
  const counted = new Set(
    served.map((row) =>
      nameOf({
        id: row.request_id,
        provider: row.provider,
        prompt: row.prompt_tokens,
        completion: row.completion_tokens,
      }),
    ),
  );
  const sure = finished.filter(({ id }) => !hasLeft(id));
  const seen = new Set(rows.map(({ request_id }) => request_id));
  const reached = [...books.keys()].filter((id) => id !== VANISHED);
  const blocked = [...asked].filter(([id, { ending }]) => ending.endsWith('content_filter') && books.has(id));
  return [
    check('answers that providers finished', sure.filter((one) => counted.has(nameOf(one))).length, sure.length),
    check(
      'answers in the ledger that no provider finished',
      served.length -
        served.filter(({ request_id, provider }) =>
          finished.some(({ id, provider: by }) => id === request_id && by === provider),
        ).length,
    ),
    check('requests that reached a provider and have no row', reached.filter((id) => !seen.has(id)).length),
    check('blocked prompts that reached a provider', blocked.length),
    ...compareMoney(rows, sure, asked),
  ];
}

/** Of every key to the nano-USD, over all that was answered whole. */
function compareMoney(rows, finished, asked) {
  const byKey = groupBy(
    finished.filter(({ id }) => asked.get(id)?.ending === 'whole'),
    ({ id }) => asked.get(id).key,
  );
  const complete = rows.filter(({ request_id }) => asked.get(request_id)?.ending === 'whole');
  const charged = groupBy(complete, ({ request_id }) => asked.get(request_id).key);
  return [...byKey].map(([key, answers]) =>
    check(
      `nano-USD of key ${key}`,
      sum((charged.get(key) ?? []).map(({ cost_nano_usd }) => BigInt(cost_nano_usd ?? 0))),
      sum(answers.map(costOf)),
    ),
  );
}

/** Ledger and metrics: the gateway was never restarted, so that its counters know of everything. */
async function compareWithMetrics(site, rows) {
  const samples = await site.scrape();
  const total = (name, isWanted = () => true) =>
    samples.filter((one) => one.name === name && isWanted(one.labels)).reduce((all, { value }) => all + value, 0);
  const ofLedger = (field, isWanted = () => true) =>
    Number(sum(rows.filter(isWanted).map((row) => BigInt(row[field] ?? 0))));
  const isAsked = ({ model, code }) => model !== 'none' || !['none', ...WITHOUT_ROW].includes(code);
  const byKeys = total('aegis_requests_total', isAsked);
  const costs = Math.round(total('aegis_cost_usd_total') * 1e9);
  return [
    check('usage records of the journal, by metrics', total('aegis_journal_records_total'), rows.length),
    check('records shipped to the ledger, by metrics', total('aegis_ledger_shipped_total'), rows.length),
    check(
      'requests for models, by metrics',
      byKeys,
      rows.filter(({ requested_model: model, code }) => model !== null || code !== null).length,
    ),
    check(
      'prompt tokens, by metrics',
      total('aegis_tokens_total', ({ direction }) => direction === 'input'),
      ofLedger('prompt_tokens'),
    ),
    check(
      'completion tokens, by metrics',
      total('aegis_tokens_total', ({ direction }) => direction === 'output'),
      ofLedger('completion_tokens'),
    ),
    check('nano-USD, by metrics', costs, ofLedger('cost_nano_usd')),
    check('requests in flight', total('aegis_requests_in_flight')),
    check('streams open', total('aegis_streams_open')),
    check('records that could not be written', total('aegis_journal_failures_total')),
    check('decisions that could not be written', total('aegis_audit_lost_total')),
  ];
}

/** What requests under way hold in Redis: nothing, as there are none. */
export async function countReservations(site) {
  return site.redis.use(async (client) => {
    let leases = 0;
    let reserved = 0n;
    let amounts = 0;
    for (const key of await client.keys('aegis:limits:*')) {
      if (key.endsWith(':open') || key.endsWith(':leases')) leases += await client.zcard(key);
      if (key.endsWith(':budget')) reserved += BigInt((await client.hget(key, 'reserved')) ?? 0);
      if (key.endsWith(':amounts')) {
        const fields = await client.hgetall(key);
        amounts += Object.keys(fields).filter((field) => !field.startsWith('late:') && fields[field] !== '-').length;
      }
    }
    return { leases, reserved, amounts };
  });
}

async function compareCounters(site) {
  const { leases, reserved, amounts } = await countReservations(site);
  const { code, output } = await site.run('reconcile', '--json');
  return [
    check('places and leases left in Redis', leases),
    check('nano-USD left reserved in Redis', reserved),
    check('reservations left in Redis', amounts),
    check(
      'aegis reconcile: journal, ledger and budgets agree',
      code === 0 ? 'yes' : `no: ${output.slice(0, 600)}`,
      'yes',
    ),
  ];
}

/** While the gateway still runs, and nothing is under way. */
export async function compareBooks(site, asked) {
  const rows = await site.postgres.query(ROWS, [site.organization]);
  const attempts = await site.postgres.query(ATTEMPTS, [site.organization]);
  const books = await site.providers.readBooks();
  return [
    ...compareWithClients(rows, asked),
    ...compareWithProviders(rows, attempts, asked, books),
    ...(await compareWithMetrics(site, rows)),
    ...(await compareCounters(site)),
  ];
}

/** Bytes of what is still in a journal: nothing of it has reached PostgreSQL. */
function bytesBelow(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(segment|jsonl|damaged)$/.test(entry.name))
    .reduce((bytes, entry) => bytes + statSync(path.join(entry.parentPath, entry.name)).size, 0);
}

/** Once the gateway has ended. */
export async function compareRemains(site, exitCode) {
  const { code, output } = await site.run('audit', 'verify');
  return [
    check('exit code after SIGTERM', exitCode, 0),
    check('bytes left in the journals', bytesBelow(site.journalFolder)),
    check('aegis audit verify', code === 0 ? 'whole' : output.slice(0, 600), 'whole'),
  ];
}

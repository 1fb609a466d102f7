/**
 * The soak: a gateway under steady mixed traffic while one thing after the other goes wrong around it. What it holds is
 * written down once before, when it has seen a little of everything and is idle, at the end of each period, and once
 * after, when it is idle again; then the books are compared.
 */
import { statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { compareBooks, compareRemains, countReservations } from './balance.mjs';
import { faultsOf } from './faults.mjs';
import { countDescriptors, MEBIBYTE, sampleIdle, sampleMemory } from './figures.mjs';
import { judge, printChecks, printReport } from './report.mjs';
import { Site } from './site.mjs';
import { measureStores, printSizes, readLsn } from './sizes.mjs';
import { until } from './stores.mjs';
import { Traffic } from './traffic.mjs';

/** A fault, and time to settle. */
const PERIOD_MS = 15_000;
const WARM_UP_MS = 20_000;
/** Idle connections to PostgreSQL go after 30 s. */
const QUIET_WITHIN_MS = 60_000;
const RESERVATIONS_GONE_WITHIN_MS = 10_000;

const say = (text) => console.log(text);
const mebibytes = (bytes) => `${(bytes / MEBIBYTE).toFixed(1)} MiB`;

/** Nothing is under way and nothing waits; the clients' connections are closed. What it then holds. */
async function settle(site, wanted) {
  const isQuiet = async () => {
    const samples = await site.scrape();
    const of = (name) => samples.find((sample) => sample.name === name)?.value ?? 0;
    const depths = ['aegis_requests_in_flight', 'aegis_streams_open', 'aegis_journal_depth', 'aegis_audit_depth'];
    return depths.every((name) => of(name) === 0);
  };
  await until(isQuiet, 'the gateway was not quiet', QUIET_WITHIN_MS);
  const isBack = () =>
    wanted === null || Object.entries(countDescriptors(site)).every(([kind, count]) => count <= (wanted[kind] ?? 0));
  const deadline = performance.now() + QUIET_WITHIN_MS;
  // Without anything to compare with: until idle connections have gone.
  while (
    wanted === null
      ? performance.now() < deadline - QUIET_WITHIN_MS + 35_000
      : !isBack() && performance.now() < deadline
  )
    await sleep(500);
  return { ...(await sampleIdle(site)), descriptors: countDescriptors(site) };
}

async function sample(site, startedAt) {
  const { resident, live } = await sampleMemory(site);
  const reservations = await countReservations(site).catch(() => null);
  const descriptors = Object.values(countDescriptors(site)).reduce((sum, count) => sum + count, 0);
  const shed = await site.metric('aegis_requests_shed_total');
  return { at: performance.now() - startedAt, resident, live, descriptors, leases: reservations?.leases ?? null, shed };
}

/** One fault after the other, and after each the figures, until the time is over. */
async function runFaults(site, traffic, durationMs) {
  const startedAt = performance.now();
  const samples = [];
  const faults = [];
  const list = faultsOf(site.workers);
  for (let turn = 0; performance.now() - startedAt < durationMs; turn += 1) {
    const endsAt = startedAt + (turn + 1) * PERIOD_MS;
    const [name, fault] = list[turn % list.length];
    const outcome = await fault(site).then(
      (text) => ({ name, text, isMet: true }),
      (problem) => ({ name, text: problem.message, isMet: false }),
    );
    faults.push(outcome);
    await sleep(Math.max(1_000, endsAt - performance.now()));
    const figures = await sample(site, startedAt);
    samples.push(figures);
    say(
      `${String(Math.round(figures.at / 1_000)).padStart(5)} s  ${mebibytes(figures.resident)} resident, ${mebibytes(figures.live)} live, ` +
        `${figures.descriptors} descriptors, ${figures.leases ?? '?'} leases, ${traffic.asked.size} requests, ${figures.shed} shed, ` +
        `${traffic.unexpected.length} unexpected | ${name}: ${outcome.isMet ? '' : 'FAILED, '}${outcome.text}`,
    );
  }
  return { samples, faults };
}

/** Returns whether all is well. */
export async function runSoak({ minutes, rate, workers }) {
  const site = await Site.start(workers);
  // Ctrl-C leaves nothing running either.
  const interrupt = () => void site.close().then(() => process.exit(130));
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  try {
    say(
      `Soak: ${minutes} minutes, ${rate} requests a second, gateway ${site.processes.join(', ')}, files in ${site.folder}`,
    );
    const startLsn = await readLsn(site.postgres);
    const traffic = new Traffic(site, rate);
    traffic.begin();
    await sleep(WARM_UP_MS);
    await traffic.end();
    const before = await settle(site, null);
    say(`Idle before: ${mebibytes(before.live)} live, descriptors ${JSON.stringify(before.descriptors)}`);

    traffic.begin();
    const { samples, faults } = await runFaults(site, traffic, minutes * 60_000);
    await traffic.end();
    const after = await settle(site, before.descriptors);
    const noReservations = async () => (await countReservations(site)).leases === 0;
    await until(noReservations, 'reservations', RESERVATIONS_GONE_WITHIN_MS).catch(() => undefined);
    const books = await compareBooks(site, traffic.asked);
    const sizes = await measureStores(site, startLsn);
    const remains = await compareRemains(site, await site.stopGateway());
    const checks = [...judge({ before, after, samples, faults, traffic, workers }), ...books, ...remains];
    printReport({ before, after, samples, faults, traffic, logBytes: sizeOf(site.logFile) });
    printSizes(sizes);
    return printChecks(checks);
  } finally {
    await site.close();
  }
}

const sizeOf = (file) => statSync(file).size;

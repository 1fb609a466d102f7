/**
 * Loaded into the gateway before its own program (`--import`, with `--expose-gc`): at SIGUSR2 it collects all garbage
 * and writes what is left, and what keeps the event loop busy, to the file that SOAK_PROBE_FILE names. Between two
 * signals it does nothing.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const file = process.env.SOAK_PROBE_FILE;
/** What is freed in one round may free more in the next. */
const ROUNDS = 3;

process.on('SIGUSR2', async () => {
  for (let round = 0; round < ROUNDS; round += 1) {
    globalThis.gc();
    await sleep(20);
  }
  const resources = {};
  for (const name of process.getActiveResourcesInfo()) resources[name] = (resources[name] ?? 0) + 1;
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  // Renamed: whoever waits for the file finds it whole.
  writeFileSync(`${file}.new`, JSON.stringify({ heapUsed, external, arrayBuffers, resources }));
  renameSync(`${file}.new`, file);
});

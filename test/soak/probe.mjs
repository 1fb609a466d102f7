/**
 * Loaded into the gateway before its own program (`--import`, with `--expose-gc`): at SIGUSR2 it collects all garbage
 * and writes what is left, and what keeps the event loop busy, to the file that SOAK_PROBE_FILE names, with its process's
 * number. Between two signals it does nothing.
 */
import { renameSync, writeFileSync } from 'node:fs';

const file = `${process.env.SOAK_PROBE_FILE}.${process.pid}`;

process.on('SIGUSR2', () => {
  // Once: it stands still meanwhile, and requests are shed that it would have served.
  globalThis.gc();
  const resources = {};
  for (const name of process.getActiveResourcesInfo()) resources[name] = (resources[name] ?? 0) + 1;
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  // Renamed: whoever waits for the file finds it whole.
  writeFileSync(`${file}.new`, JSON.stringify({ heapUsed, external, arrayBuffers, resources }));
  renameSync(`${file}.new`, file);
});

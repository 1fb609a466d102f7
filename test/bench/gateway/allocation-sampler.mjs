/**
 * Loaded into a gateway before its own program (`--import`): notes which functions allocate, from one SIGUSR2 to the
 * next, and writes that to the file that ALLOCATION_FILE names. All that is allocated counts, or with
 * ALLOCATION_KIND=survivors only what outlives its first collections: copying that is what the young garbage costs.
 */
import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector';

const SAMPLE_BYTES = 32_768;
const session = new Session();
session.connect();
let isSampling = false;

process.on('SIGUSR2', () => {
  if (!isSampling) {
    session.post('HeapProfiler.startSampling', {
      samplingInterval: SAMPLE_BYTES,
      includeObjectsCollectedByMajorGC: true,
      includeObjectsCollectedByMinorGC: process.env.ALLOCATION_KIND !== 'survivors',
    });
    isSampling = true;
    return;
  }
  isSampling = false;
  session.post('HeapProfiler.stopSampling', (_problem, { profile }) =>
    writeFileSync(process.env.ALLOCATION_FILE, JSON.stringify(profile)),
  );
});

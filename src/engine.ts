import { readdirSync, readFileSync } from 'node:fs';
import * as nodeModule from 'node:module';
import { setPriority } from 'node:os';
import { setFlagsFromString } from 'node:v8';

/** They get a quarter of a core's time while another thread wants it, and all of it where none does. */
const HELPER_NICENESS = 5;
/** What Node calls them, from its 24th version on; before that no thread has a name of its own. */
const HELPER_NAME = 'V8Worker';

/** What a serving process asks of Node and V8, before anything else is loaded. */
export function tuneEngine(): void {
  // What has survived often is made among the old by V8 from then on. Of a request nearly nothing survives, but once
  // one kind of its objects is taken for lasting, whatever they point to is kept with them: each request then leaves
  // 30 KB to the next full collection, and copying that takes a fifth of the processor's time.
  setFlagsFromString('--no-allocation-site-pretenuring');
  skipSourceMapsOfPackages();
  letHelpersGiveWay();
}

/** Those of TypeORM alone are read, parsed and kept otherwise: a tenth of the time it takes to start. */
function skipSourceMapsOfPackages(): void {
  if (process.sourceMapsEnabled && 'setSourceMapsSupport' in nodeModule)
    (nodeModule.setSourceMapsSupport as (enabled: boolean, options: object) => void)(true, { nodeModules: false });
}

/**
 * A full collection is marked by three threads beside the one that serves. With a process on every core they took the
 * core from it for a tenth of a second, and everything that came meanwhile waited.
 */
function letHelpersGiveWay(): void {
  try {
    for (const thread of findHelpers('/proc/self/task')) setPriority(thread, HELPER_NICENESS);
  } catch {
    // Another system than Linux, or not allowed: they go on as they are.
  }
}

/** The numbers of V8's threads among those of a process; none where they cannot be told from others. */
function findHelpers(tasks: string): number[] {
  return readdirSync(tasks)
    .filter((thread) => readFileSync(`${tasks}/${thread}/comm`, 'latin1').trim() === HELPER_NAME)
    .map(Number);
}

import { type LookupAddress, type LookupOptions, lookup as systemLookup } from 'node:dns';
import type { LookupFunction } from 'node:net';

/** How long an address is kept: short enough to follow a provider that moves. */
const KEEP_MS = 10_000;
/** Look-ups under way at the same time: each holds one of the four threads that files and crypto work need, too. */
const MOST_AT_ONCE = 3;

type Waiter = Parameters<LookupFunction>[2];

/** Injection token of `ResolveAll`, for who wants another than the system's. */
export const RESOLVE_ALL = Symbol('ResolveAll');

/** The system's resolver, as far as it is used here. */
export type ResolveAll = (
  hostname: string,
  options: LookupOptions & { all: true },
  answer: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

/** The system's, hosts file included. */
export const resolveAll: ResolveAll = systemLookup;

/**
 * Name resolution that asks the system once for all who wait for the same name, and for a few names at a time. The
 * system's resolver holds one of the process's few worker threads for as long as it takes; without this, a slow name
 * server would stall file and crypto work too. Failures are not kept.
 */
export function createLookup(
  resolve: ResolveAll = resolveAll,
  nowMs: () => number = () => performance.now(),
): LookupFunction {
  const known = new Map<string, { readonly addresses: LookupAddress[]; readonly untilMs: number }>();
  const waiting = new Map<string, { all: boolean; answer: Waiter }[]>();
  const resolveInTurn = takeTurns(resolve);

  return (hostname: string, options: LookupOptions, answer: Waiter): void => {
    const key = `${hostname} ${String(options.family ?? 0)} ${options.hints ?? 0}`;
    const all = options.all === true;
    const kept = known.get(key);
    if (kept && kept.untilMs > nowMs()) {
      process.nextTick(reply, answer, all, kept.addresses);
      return;
    }
    const others = waiting.get(key);
    if (others) {
      others.push({ all, answer });
      return;
    }
    const waiters = [{ all, answer }];
    waiting.set(key, waiters);
    resolveInTurn(hostname, { ...options, all: true }, (error, addresses) => {
      waiting.delete(key);
      if (error) {
        known.delete(key);
        for (const waiter of waiters) waiter.answer(error, waiter.all ? [] : '');
        return;
      }
      known.set(key, { addresses, untilMs: nowMs() + KEEP_MS });
      for (const waiter of waiters) reply(waiter.answer, waiter.all, addresses);
    });
  };
}

/** The same resolver, asked for no more names at a time than it may be. */
function takeTurns(resolve: ResolveAll): ResolveAll {
  let underWay = 0;
  const later: (() => void)[] = [];
  return (hostname, options, answer) => {
    const start = (): void => {
      underWay++;
      resolve(hostname, options, (error, addresses) => {
        underWay--;
        later.shift()?.();
        answer(error, addresses);
      });
    };
    if (underWay < MOST_AT_ONCE) start();
    else later.push(start);
  };
}

function reply(answer: Waiter, all: boolean, addresses: LookupAddress[]): void {
  if (all) answer(null, addresses);
  else answer(null, addresses[0]?.address ?? '', addresses[0]?.family);
}

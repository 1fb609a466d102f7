/** What `npm run test:fleet` was told, or its defaults: `scripts/fleet.mjs` has them. */
export interface FleetTimings {
  /** Clients that ask for whole answers, and those that ask for streams. */
  readonly clients: number;
  readonly streams: number;
  /** How long a stream takes, and a whole answer. */
  readonly streamMs: number;
  readonly answerMs: number;
  /** `server.shutdown_grace` and `server.graceful_shutdown`. */
  readonly graceMs: number;
  readonly drainMs: number;
  /** How often the balancer asks each gateway whether it is ready. */
  readonly checkMs: number;
  /** Load before, between and after what is done to the fleet. */
  readonly calmMs: number;
  /** Rolling restarts, kills, changes of the configuration, revocations, restarts of Redis. */
  readonly rounds: number;
  readonly kills: number;
  readonly changes: number;
  readonly revocations: number;
  readonly redis: number;
  /** How long Redis is away each time. */
  readonly redisMs: number;
  /** Streams of a drain that they survive, longer than the first of its two times and shorter than the second. */
  readonly slowStreamMs: number;
  /** Of a drain that streams do not survive: how long they would take, and `server.graceful_shutdown`. */
  readonly endlessStreamMs: number;
  readonly shortDrainMs: number;
  /** Another checkout, built: the first rolling restart is an upgrade from it; empty: none. */
  readonly from: string;
}

export function readTimings(): FleetTimings {
  return JSON.parse(process.env.AEGIS_FLEET_TIMINGS ?? '{}') as FleetTimings;
}

/** Two checks that fail in a row, the time between two, and a little: after this the balancer sends nothing more. */
export const noticeMs = ({ checkMs }: FleetTimings): number => 3 * checkMs + 500;

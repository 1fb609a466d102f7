import { Duration, Size, Whole } from './setting.js';

const MEBIBYTE = 1024 * 1024;

/** What the gateway takes on at one time; more is answered 503. */
export class OverloadConfig {
  /** How long turns of the event loop may be once it has no idle time left; what would make them longer is refused. */
  @Duration({
    about: 'How late new requests may be served while there is more to do than can be done; 0s: however late.',
    maxMs: 10_000,
  })
  targetDelayMs = 25;

  @Whole({
    about: 'Requests open at one time, streams among them; 0: as many as memory and file descriptors allow.',
    min: 0,
    max: 1_000_000,
  })
  maxInFlight = 0;

  @Size({
    about: 'Request bodies held at one time; 0B: an eighth of the memory, at most 512 MiB.',
    minBytes: 0,
    maxBytes: 1024 * 1024 * MEBIBYTE,
  })
  maxBodiesBytes = 0;
}

import { findGatewayConfig, getConfigDirectory } from '../config/directory.js';
import { MIN_TOKEN_BYTES } from '../config/rules/tls.rules.js';

/** Scrapes come every few seconds; who guesses at tokens comes more often. */
const READ_AGAIN_MS = 1_000;

/** `telemetry.metrics_token` as gateway.yaml has it now: the primary keeps no configuration, and scrapes are rare. */
export class ScrapeToken {
  private readAtMs = performance.now();

  constructor(private token: string) {}

  async read(): Promise<string> {
    const nowMs = performance.now();
    if (nowMs - this.readAtMs < READ_AGAIN_MS) return this.token;
    this.readAtMs = nowMs;
    const gateway = await findGatewayConfig(getConfigDirectory(process.env), process.env);
    const token = gateway?.telemetry.metricsToken ?? this.token;
    // The workers refuse one that is too short; what they refuse does not count here either.
    if (token === '' || Buffer.byteLength(token) >= MIN_TOKEN_BYTES) this.token = token;
    return this.token;
  }
}

import cluster from 'node:cluster';
import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { GatewayConfig } from './config/schema/gateway.config.js';
import { tuneEngine } from './engine.js';
import type { AegisLogger } from './telemetry/aegis.logger.js';

/** What a signal ends, as soon as there is anything to end. */
interface Running {
  readonly logger: AegisLogger;
  /** Whether all went well. */
  shutDown(): Promise<boolean>;
  giveUp(): void;
}

/**
 * Runs the gateway until it is told to stop: SIGTERM and SIGINT drain and exit 0, a second one exits at once. Exits 1
 * where it cannot start, saying everything that is wrong with the configuration. With `server.workers` this process
 * serves nobody itself: it starts those that do.
 */
export async function serve(): Promise<void> {
  tuneEngine();
  if (cluster.isWorker) {
    const { serveAsWorker } = await import('./worker.js');
    return serveAsWorker();
  }
  // Before anything is loaded, which takes a while.
  const signals = listenForSignals();
  try {
    const { loadEnvironment } = await import('./config/config.module.js');
    const { findGatewayConfig, getConfigDirectory } = await import('./config/directory.js');
    const { countCores, countWorkers } = await import('./config/workers.js');
    await loadEnvironment();
    const gateway = await findGatewayConfig(getConfigDirectory(process.env), process.env);
    const workers = gateway ? countWorkers(gateway.server, countCores()) : 1;
    await (gateway && workers > 1 ? serveWithWorkers(signals, gateway, workers) : serveAlone(signals));
  } catch (problem) {
    // Told to stop before it had begun: that is no failure.
    if (signals.isStopped()) process.exit(0);
    process.stderr.write(`${await describeFailure(problem)}\n`);
    process.exit(1);
  }
}

async function serveAlone(signals: Signals): Promise<void> {
  const { startGateway } = await import('./bootstrap.js');
  if (signals.isStopped()) process.exit(0);
  const gateway = await startGateway();
  const { logger } = gateway;
  reportFaults(logger);
  if (!signals.isStopped())
    logger.pino.info({ url: gateway.url, metricsUrl: gateway.metricsUrl }, 'gateway is listening');
  // Where it was told to stop before it listened, nobody sends it anything yet.
  const graceMs = signals.isStopped() ? 0 : undefined;
  signals.end({ logger, shutDown: () => gateway.shutDown(graceMs).then(() => true), giveUp: () => undefined });
}

async function serveWithWorkers(signals: Signals, gateway: GatewayConfig, count: number): Promise<void> {
  const { Primary } = await import('./primary/primary.js');
  if (signals.isStopped()) process.exit(0);
  const primary = new Primary(gateway, count, ({ message }) => {
    process.stderr.write(`${message}\n`);
    process.exit(1);
  });
  const { logger } = primary;
  signals.end({ logger, shutDown: () => primary.shutDown(), giveUp: () => primary.kill() });
  process.on('SIGHUP', () => primary.reload());
  reportFaults(logger);
  try {
    const { url, metricsUrl } = await primary.start();
    if (!signals.isStopped()) logger.pino.info({ url, metricsUrl, workers: count }, 'gateway is listening');
  } catch (problem) {
    // The way to its end has begun, and exits.
    if (!signals.isStopped()) throw problem;
  }
}

interface Signals {
  isStopped(): boolean;
  /** Says what to end; at once where a signal came before. */
  end(running: Running): void;
}

/**
 * The first signal drains, a second one gives up. From the first moment on: a container's first process is not ended by
 * a signal it does not listen for, and would start and serve though it was told to stop.
 */
function listenForSignals(): Signals {
  let first: NodeJS.Signals | null = null;
  let running: Running | null = null;
  const drain = ({ logger, shutDown }: Running): void => {
    logger.pino.info({ signal: first }, 'shutting down');
    shutDown().then(
      (isClean) => process.exit(isClean ? 0 : 1),
      (problem: unknown) => {
        logger.pino.error({ error: problem }, 'shutdown failed');
        process.exit(1);
      },
    );
  };
  const stop = (signal: NodeJS.Signals): void => {
    if (first !== null) {
      running?.giveUp();
      process.exit(1);
    }
    first = signal;
    if (running) drain(running);
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  return {
    isStopped: () => first !== null,
    end: (started) => {
      running = started;
      if (first !== null) drain(started);
    },
  };
}

/** Where there are too few file descriptors to load the gateway, there are too few to load the words for it. */
async function describeFailure(problem: unknown): Promise<string> {
  try {
    const { describeStartFailure } = await import('./start-failure.js');
    return await describeStartFailure(problem);
  } catch (further) {
    const isOutOfFiles = further instanceof Error && 'code' in further && further.code === 'EMFILE';
    return isOutOfFiles ? 'Too few file descriptors to start: the gateway needs 512 (ulimit -n).' : String(problem);
  }
}

/** A fault that no request owns. The others go on being served; the log says what to mend. */
function reportFaults(logger: AegisLogger): void {
  process.on('unhandledRejection', (problem) => logger.pino.error({ error: problem }, 'unhandled rejection'));
  process.on('uncaughtException', (problem) => logger.pino.error({ error: problem }, 'uncaught exception'));
}

const entry = process.argv[1];
if (entry !== undefined && realpathSync(entry) === fileURLToPath(import.meta.url)) await serve();

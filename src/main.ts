import cluster from 'node:cluster';
import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { loadEnvironment } from './config/config.module.js';
import { findGatewayConfig, getConfigDirectory } from './config/directory.js';
import type { GatewayConfig } from './config/schema/gateway.config.js';
import { countCores, countWorkers } from './config/workers.js';
import type { AegisLogger } from './telemetry/aegis.logger.js';

/**
 * Runs the gateway until it is told to stop: SIGTERM and SIGINT drain and exit 0, a second one exits at once. Exits 1
 * where it cannot start, saying everything that is wrong with the configuration. With `server.workers` this process
 * serves nobody itself: it starts those that do.
 */
export async function serve(): Promise<void> {
  // What has survived often is made among the old by V8 from then on. Of a request nearly nothing survives, but once
  // one kind of its objects is taken for lasting, whatever they point to is kept with them: each request then leaves
  // 30 KB to the next full collection, and copying that takes a fifth of the processor's time.
  setFlagsFromString('--no-allocation-site-pretenuring');
  // Left to itself V8 lets the heap become several times what is alive before it looks for what is dead: what was held
  // while thousands of streams began would be kept as long as they last.
  setFlagsFromString('--heap-growing-percent=40');
  if (cluster.isWorker) {
    const { serveAsWorker } = await import('./worker.js');
    return serveAsWorker();
  }
  try {
    await loadEnvironment();
    const gateway = await findGatewayConfig(getConfigDirectory(process.env), process.env);
    const workers = gateway ? countWorkers(gateway.server, countCores()) : 1;
    await (gateway && workers > 1 ? serveWithWorkers(gateway, workers) : serveAlone());
  } catch (problem) {
    const { describeStartFailure } = await import('./start-failure.js');
    process.stderr.write(`${await describeStartFailure(problem)}\n`);
    process.exit(1);
  }
}

async function serveAlone(): Promise<void> {
  const { startGateway } = await import('./bootstrap.js');
  const gateway = await startGateway();
  gateway.logger.pino.info({ url: gateway.url, metricsUrl: gateway.metricsUrl }, 'gateway is listening');
  stopOnSignals(
    gateway.logger,
    () => gateway.shutDown().then(() => true),
    () => undefined,
  );
  reportFaults(gateway.logger);
}

async function serveWithWorkers(gateway: GatewayConfig, count: number): Promise<void> {
  const { Primary } = await import('./primary/primary.js');
  const primary = new Primary(gateway, count, ({ message }) => {
    process.stderr.write(`${message}\n`);
    process.exit(1);
  });
  const { logger } = primary;
  const isStopped = stopOnSignals(
    logger,
    () => primary.shutDown(),
    () => primary.kill(),
  );
  process.on('SIGHUP', () => primary.reload());
  reportFaults(logger);
  try {
    const { url, metricsUrl } = await primary.start();
    if (!isStopped()) logger.pino.info({ url, metricsUrl, workers: count }, 'gateway is listening');
  } catch (problem) {
    // Told to stop before it had begun: that is no failure.
    if (!isStopped()) throw problem;
  }
}

/** The first signal drains, a second one gives up. Returns whether there was one. */
function stopOnSignals(logger: AegisLogger, shutDown: () => Promise<boolean>, giveUp: () => void): () => boolean {
  let signalled = false;
  const stop = (signal: NodeJS.Signals): void => {
    if (signalled) {
      giveUp();
      process.exit(1);
    }
    signalled = true;
    logger.pino.info({ signal }, 'shutting down');
    shutDown().then(
      (isClean) => process.exit(isClean ? 0 : 1),
      (problem: unknown) => {
        logger.pino.error({ error: problem }, 'shutdown failed');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  return () => signalled;
}

/** A fault that no request owns. The others go on being served; the log says what to mend. */
function reportFaults(logger: AegisLogger): void {
  process.on('unhandledRejection', (problem) => logger.pino.error({ error: problem }, 'unhandled rejection'));
  process.on('uncaughtException', (problem) => logger.pino.error({ error: problem }, 'uncaught exception'));
}

const entry = process.argv[1];
if (entry !== undefined && realpathSync(entry) === fileURLToPath(import.meta.url)) await serve();

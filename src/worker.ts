import cluster from 'node:cluster';
import { Server } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { register } from 'prom-client';
import { type Gateway, startGateway } from './bootstrap.js';
import { SnapshotService } from './config/snapshot.service.js';
import { describeStartFailure } from './start-failure.js';
import { COUNT_VARIABLE, NUMBER_VARIABLE } from './workers/messages.js';
import { PrimaryLink } from './workers/primary-link.js';
import type { WorkerRole } from './workers/worker-role.js';

/** A signal that all get reaches the primary, too, which says so within this time. */
const ALONE_AFTER_MS = 300;

/**
 * Runs the gateway as one of several on a port that the primary holds. Ends as the primary says, when it is signalled by
 * itself, or when the primary is gone: what is under way is finished then, too.
 */
export async function serveAsWorker(): Promise<void> {
  const link = new PrimaryLink();
  const role: WorkerRole = {
    number: Number(process.env[NUMBER_VARIABLE]),
    count: Number(process.env[COUNT_VARIABLE]),
    primary: link,
  };
  const starting = startGateway({ role });

  const end = async (gateway: Gateway, reason: string): Promise<void> => {
    gateway.logger.pino.info({ reason }, 'worker is ending');
    try {
      await gateway.shutDown();
      await link.send({ kind: 'last_metrics', report: await register.getMetricsAsJSON() });
      process.exit(0);
    } catch (problem) {
      gateway.logger.pino.error({ error: problem }, 'shutdown failed');
      process.exit(1);
    }
  };
  let isEnding = false;
  // A terminal and a service manager signal every process, so that one end is announced twice.
  const drain = (reason: string): void => {
    if (isEnding) return;
    isEnding = true;
    void starting.then(
      (gateway) => end(gateway, reason),
      () => undefined,
    );
  };
  let isOneOfAll = false;
  link.serve({
    readMetrics: () => register.getMetricsAsJSON(),
    reload: () => void starting.then(({ app }) => app.get(SnapshotService).reload('signal')).catch(() => undefined),
    drain: (reason) => {
      isOneOfAll = true;
      drain(reason);
    },
  });
  const stopAccepting = (gateway: Gateway): void => {
    // As any server does it; one of HTTP would end connections that are kept, too.
    if (!isOneOfAll) Server.prototype.close.call(gateway.app.getHttpServer());
  };
  const drainSignalled = (signal: string): void => {
    drain(signal);
    // Where it ends alone, a connection that still came here would be refused for nothing: the others serve.
    void delay(ALONE_AFTER_MS)
      .then(() => starting)
      .then(stopAccepting)
      .catch(() => undefined);
  };
  process.on('SIGTERM', drainSignalled);
  process.on('SIGINT', drainSignalled);
  cluster.worker?.once('disconnect', () => {
    // Else Node would end the process here and now, with all that is under way.
    if (cluster.worker) cluster.worker.exitedAfterDisconnect = true;
    drain('the primary process is gone');
  });

  try {
    const { logger, url } = await starting;
    process.on('unhandledRejection', (problem) => logger.pino.error({ error: problem }, 'unhandled rejection'));
    process.on('uncaughtException', (problem) => logger.pino.error({ error: problem }, 'uncaught exception'));
    await link.send({ kind: 'serving', url });
  } catch (problem) {
    await link.send({ kind: 'failed', reason: await describeStartFailure(problem) });
    process.exit(1);
  }
}

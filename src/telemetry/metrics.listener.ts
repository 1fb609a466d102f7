import { createHash, timingSafeEqual } from 'node:crypto';
import { Controller, type DynamicModule, Get, Header, Inject, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { collectDefaultMetrics, Registry, register } from 'prom-client';
import type { AegisLogger } from './aegis.logger.js';

/** What a scrape gets: metrics in Prometheus' text format. */
export type ReadMetrics = () => Promise<string>;

/** What a scrape has to bring at this moment; empty: nothing. */
export type FindToken = () => string | Promise<string>;

const SCHEME = 'bearer ';
const READ_METRICS = Symbol('ReadMetrics');
/** One of those that `collectDefaultMetrics` makes. */
const DEFAULT_METRIC = 'process_cpu_seconds_total';

@Controller('metrics')
class MetricsController {
  constructor(@Inject(READ_METRICS) private readonly read: ReadMetrics) {}

  @Get()
  @Header('content-type', Registry.PROMETHEUS_CONTENT_TYPE)
  index(): Promise<string> {
    return this.read();
  }
}

/** `GET /metrics` and nothing else. */
@Module({ controllers: [MetricsController] })
class MetricsListenerModule {
  static forRoot(read: ReadMetrics): DynamicModule {
    return { module: MetricsListenerModule, providers: [{ provide: READ_METRICS, useValue: read }] };
  }
}

export interface MetricsAddress {
  readonly metricsHost: string;
  readonly metricsPort: number;
}

/** Listens apart from the port that clients reach. Throws where its own is taken. */
export async function openMetricsListener(
  { metricsHost, metricsPort }: MetricsAddress,
  read: ReadMetrics,
  findToken: FindToken,
  logger: AegisLogger,
): Promise<NestFastifyApplication> {
  const listener = await NestFactory.create<NestFastifyApplication>(
    MetricsListenerModule.forRoot(read),
    new FastifyAdapter(),
    // Not `false`: that would silence Nest's loggers in the whole process, this one's neighbours included.
    { logger, abortOnError: false },
  );
  listener
    .getHttpAdapter()
    .getInstance()
    .addHook('onRequest', async (request, reply) => {
      if (isToken(request.headers.authorization, await findToken())) return;
      await reply.status(401).header('www-authenticate', 'Bearer').send({ error: 'Metrics are read with a token.' });
    });
  await listener.listen(metricsPort, metricsHost);
  return listener;
}

/** How long it takes says nothing of how much of it is right. */
function isToken(authorization: string | undefined, token: string): boolean {
  if (token === '') return true;
  const presented = authorization ?? '';
  const isRight = timingSafeEqual(digestOf(presented.slice(SCHEME.length)), digestOf(token));
  return isRight && presented.slice(0, SCHEME.length).toLowerCase() === SCHEME;
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** Node's own metrics, `process_*` and `nodejs_*`, are measured from here on. */
export function measureProcess(): void {
  if (register.getSingleMetric(DEFAULT_METRIC) === undefined) collectDefaultMetrics();
}

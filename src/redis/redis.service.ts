import type { OnApplicationShutdown, OnModuleInit } from '@nestjs/common';
import { Inject, Injectable, Logger, Optional } from '@nestjs/common';
import { Cluster, type Redis, ReplyError } from 'ioredis';
import type { DependencyState, GatewayObserver } from '../domain/observer.js';
import { GATEWAY_OBSERVER, silentObserver } from '../domain/observer.js';
import { buildClients, mastersOf, type RedisClient } from './redis-clients.js';
import type { RedisSettings } from './redis-settings.js';
import { REDIS_SETTINGS } from './redis-settings.js';

export interface RedisHealth {
  /** `disabled`: none is configured. Never `down`: AEGIS serves without Redis. */
  readonly state: Exclude<DependencyState, 'down'> | 'disabled';
  /** Why it is not healthy; null where it is. */
  readonly reason: string | null;
}

/** Redis is not configured, not connected or does not answer. */
export class RedisUnavailableError extends Error {
  constructor(reason: string, options?: { readonly cause?: unknown }) {
    super(`Redis cannot be asked: ${reason}`, options);
    this.name = 'RedisUnavailableError';
  }
}

const FIRST_CONNECTION_MS = 1_000;
const PROBE_INTERVAL_MS = 1_000;
const BEGIN_AGAIN_MS = 2_000;
/** Read from a cluster to see that all of it answers: so many that nearly surely each of its masters is asked. */
const PROBE_KEYS = Array.from({ length: 32 }, (_, index) => `aegis:probe:${index}`);
/** A connection that swallows this many probes in a row is replaced: it may be a black hole. */
const PROBES_BEFORE_RECONNECT = 3;

/** The one Redis of the process, its state, and a connection of its own for messages. Optional everywhere. */
@Injectable()
export class RedisService implements OnModuleInit, OnApplicationShutdown {
  private readonly logger = new Logger('Redis');
  private readonly observer: GatewayObserver;
  private readonly client: RedisClient | null;
  private readonly subscriber: Redis | null;
  private readonly listeners = new Map<string, (message: string) => void>();
  private readonly resubscribed: (() => void)[] = [];
  private isUsable = false;
  private isSubscribed = false;
  private isClosing = false;
  private reason: string | null = 'not connected yet';
  private missedProbes = 0;
  private probe: NodeJS.Timeout | undefined;

  constructor(
    @Inject(REDIS_SETTINGS) settings: RedisSettings,
    @Optional() @Inject(GATEWAY_OBSERVER) observer?: GatewayObserver,
  ) {
    this.observer = observer ?? silentObserver;
    const clients = settings.url === '' ? null : buildClients(settings);
    this.client = clients?.client ?? null;
    this.subscriber = clients?.bus ?? null;
    // Without a listener an error event ends the process.
    this.client?.on('error', (error: Error) => this.markUnusable(describe(error)));
    this.subscriber?.on('error', () => undefined);
    for (const each of [this.client, this.subscriber]) each?.on('end', () => this.beginAgain(each));
    this.client?.on('ready', () => this.markUsable());
    this.client?.on('close', () => {
      // Where an error came first, that is the better reason.
      if (this.isUsable) this.markUnusable('the connection is closed');
    });
    this.subscriber?.on('ready', () => void this.subscribeToAll());
    this.subscriber?.on('close', () => {
      this.isSubscribed = false;
    });
    this.subscriber?.on('message', (channel: string, message: string) => this.listeners.get(channel)?.(message));
  }

  get isEnabled(): boolean {
    return this.client !== null;
  }

  /** Whether asking is worth it. */
  get isAvailable(): boolean {
    return this.isUsable;
  }

  /** Whether messages arrive: subscribed, and every probe of the last seconds was answered. */
  get isListening(): boolean {
    return this.isSubscribed && this.isUsable && this.missedProbes === 0;
  }

  get health(): RedisHealth {
    if (this.client === null) return { state: 'disabled', reason: null };
    return this.isUsable ? { state: 'healthy', reason: null } : { state: 'degraded', reason: this.reason };
  }

  async onModuleInit(): Promise<void> {
    const client = this.client;
    if (client === null) return;
    this.probe = setInterval(() => void this.probeOnce(client), PROBE_INTERVAL_MS);
    this.observer.dependencyChanged('redis', 'degraded');
    void this.subscriber?.connect().catch(() => undefined);
    const connected = client.connect().catch(() => undefined);
    await Promise.race([connected, new Promise((resolve) => setTimeout(resolve, FIRST_CONNECTION_MS).unref())]);
  }

  /** Runs commands. Throws `RedisUnavailableError` at once where Redis is known to be away. */
  async run<T>(operation: (client: RedisClient) => Promise<T>): Promise<T> {
    if (this.client === null || !this.isUsable) throw new RedisUnavailableError(this.reason ?? 'not configured');
    try {
      return await operation(this.client);
    } catch (error) {
      // What Redis itself answered (a wrong type, a full memory) says nothing about the connection.
      if (error instanceof ReplyError) throw error;
      this.markUnusable(describe(error));
      throw new RedisUnavailableError(describe(error), { cause: error });
    }
  }

  /** As `run`, once for each server that has keys of its own. */
  runOnEach<T>(operation: (client: Redis) => Promise<T>): Promise<T[]> {
    return this.run((client) => Promise.all(mastersOf(client).map(operation)));
  }

  /**
   * Hears a channel from now on. Messages sent while the connection is away are lost: `onResubscribed` is called each
   * time it is (back) there, to catch up by other means.
   */
  subscribe(channel: string, onMessage: (message: string) => void, onResubscribed: () => void): void {
    this.listeners.set(channel, onMessage);
    this.resubscribed.push(onResubscribed);
    if (this.subscriber?.status === 'ready') void this.subscribeToAll();
  }

  onApplicationShutdown(): void {
    this.isClosing = true;
    clearInterval(this.probe);
    this.isUsable = false;
    this.reason = 'closed';
    this.client?.disconnect();
    this.subscriber?.disconnect();
  }

  private async subscribeToAll(): Promise<void> {
    const channels = [...this.listeners.keys()];
    if (channels.length === 0) return;
    try {
      await this.subscriber?.subscribe(...channels);
    } catch {
      // Away again, or too slow: a new connection subscribes anew.
      if (!this.isClosing) this.subscriber?.disconnect(true);
      return;
    }
    this.isSubscribed = true;
    for (const catchUp of this.resubscribed) catchUp();
  }

  private async probeOnce(client: RedisClient): Promise<void> {
    if (client.status !== 'ready') return;
    try {
      await Promise.all([ask(client), this.subscriber?.status === 'ready' ? this.subscriber.ping() : null]);
      this.missedProbes = 0;
      this.markUsable();
    } catch (error) {
      this.markUnusable(describe(error));
      this.missedProbes += 1;
      if (this.missedProbes < PROBES_BEFORE_RECONNECT || this.isClosing) return;
      this.missedProbes = 0;
      client.disconnect(true);
      if (this.subscriber?.status === 'ready') this.subscriber.disconnect(true);
    }
  }

  /** A driver that has given up is told to try again. */
  private beginAgain(client: RedisClient): void {
    if (this.isClosing) return;
    setTimeout(() => {
      if (!this.isClosing && client.status === 'end') void client.connect().catch(() => undefined);
    }, BEGIN_AGAIN_MS).unref();
  }

  private markUsable(): void {
    if (this.isUsable || this.isClosing) return;
    this.isUsable = true;
    this.reason = null;
    this.logger.log('Redis is reachable.');
    this.observer.dependencyChanged('redis', 'healthy');
  }

  private markUnusable(reason: string): void {
    if (this.isClosing) return;
    if (this.isUsable || this.reason === 'not connected yet') {
      this.logger.warn(`Redis cannot be used, AEGIS goes on without it: ${reason}`);
      this.observer.dependencyChanged('redis', 'degraded');
    }
    this.isUsable = false;
    this.reason = reason;
  }
}

/** A cluster of which a part is away counts as away: who has keys there would wait in vain, again and again. */
function ask(client: RedisClient): Promise<unknown> {
  return client instanceof Cluster ? Promise.all(PROBE_KEYS.map((key) => client.get(key))) : client.ping();
}

function describe(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(describe).join('; ');
  return error instanceof Error ? error.message : String(error);
}

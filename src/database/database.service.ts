import type { OnApplicationShutdown, OnModuleInit } from '@nestjs/common';
import { Inject, Injectable, Logger, Optional } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import type { Clock } from '../domain/clock.js';
import { systemClock } from '../domain/clock.js';
import type { DependencyState, GatewayObserver } from '../domain/observer.js';
import { CLOCK, GATEWAY_OBSERVER, silentObserver } from '../domain/observer.js';
import { buildDataSource } from './data-source.js';
import { DatabaseUnavailableError, isSaidByServer, isUnavailability } from './database.errors.js';
import { accessOf, buildAccess, type DatabaseAccess } from './database-access.js';
import type { DatabaseSettings } from './database-settings.js';
import { DATABASE_SETTINGS } from './database-settings.js';
import type { EmbeddedPostgres } from './embedded-postgres.js';
import { runMigrations } from './migrate.js';

export interface DatabaseHealth {
  readonly state: DependencyState;
  /** Why it is not healthy; null where it is. For logs and operators: may name hosts. */
  readonly reason: string | null;
}

/** How long start-up waits for the first connection before it goes on without. */
const FIRST_CONNECTION_MS = 5_000;
const PROBE_INTERVAL_MS = 5_000;
const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 2_000;

/**
 * The connection to PostgreSQL and what is known of its state. The gateway starts and lives without it: connecting,
 * migrating and probing go on in the background until they succeed.
 */
@Injectable()
export class DatabaseService implements OnModuleInit, OnApplicationShutdown {
  private readonly logger = new Logger('Database');
  private readonly observer: GatewayObserver;
  private readonly clock: Clock;
  private readonly closingActions: (() => Promise<void>)[] = [];
  private readonly readyWaiters = new Set<() => void>();
  private embedded: EmbeddedPostgres | null = null;
  private dataSource: DataSource | null = null;
  private isUsable = false;
  private isClosing = false;
  private reason: string | null = 'not connected yet';
  private reportedState: DependencyState | null = null;
  private lastHealthyAtMs: number | null = null;
  /** How many operations have got an answer. */
  private answers = 0;
  private wake: (() => void) | null = null;
  private loop: Promise<void> = Promise.resolve();

  constructor(
    @Inject(DATABASE_SETTINGS) private readonly settings: DatabaseSettings,
    @Optional() @Inject(GATEWAY_OBSERVER) observer?: GatewayObserver,
    @Optional() @Inject(CLOCK) clock?: Clock,
  ) {
    this.observer = observer ?? silentObserver;
    this.clock = clock ?? systemClock;
  }

  /** Whether asking is worth it. */
  get isAvailable(): boolean {
    return this.isUsable;
  }

  get health(): DatabaseHealth {
    if (this.isUsable) return { state: 'healthy', reason: null };
    const isInGrace =
      this.lastHealthyAtMs !== null && this.clock.monotonicMs() - this.lastHealthyAtMs <= this.settings.graceMs;
    return { state: isInGrace ? 'degraded' : 'down', reason: this.reason };
  }

  /** Throws only where the embedded server was asked for and cannot run here, or a file of TLS is wrong: waiting would not mend that. */
  async onModuleInit(): Promise<void> {
    let access: DatabaseAccess;
    if (this.settings.url === '') {
      // Loaded only here: the production image has no embedded server.
      const { startEmbeddedPostgres } = await import('./embedded-postgres.js');
      this.embedded = await startEmbeddedPostgres({
        folder: this.settings.dataFolder,
        report: (message) => this.logger.log(message),
      });
      access = accessOf(this.embedded.url);
    } else access = buildAccess(this.settings);
    this.report();
    this.loop = this.keepConnected(access);
    await this.waitUntilReady(FIRST_CONNECTION_MS);
  }

  /**
   * Runs a statement or a transaction. Throws `DatabaseUnavailableError` at once where the database is known to be away.
   * It counts as away for all only where nobody else got an answer meanwhile: one who waited in vain for a connection of
   * a busy pool says nothing about the server.
   */
  async run<T>(operation: (manager: EntityManager) => Promise<T>): Promise<T> {
    const dataSource = this.dataSource;
    if (dataSource === null || !this.isUsable) {
      throw new DatabaseUnavailableError(this.reason ?? 'closed');
    }
    const answersBefore = this.answers;
    try {
      const result = await operation(dataSource.manager);
      this.answers += 1;
      return result;
    } catch (error) {
      if (!isUnavailability(error)) throw error;
      if (this.isAwayBy(error, answersBefore)) {
        this.markUnusable(error);
        this.wake?.();
      }
      throw new DatabaseUnavailableError(describe(error), { cause: error });
    }
  }

  /** True once the database can be asked; false where it cannot within the time. */
  async waitUntilReady(timeoutMs: number): Promise<boolean> {
    if (this.isUsable) return true;
    return new Promise((resolve) => {
      const settle = (): void => {
        clearTimeout(timer);
        this.readyWaiters.delete(settle);
        resolve(this.isUsable);
      };
      const timer = setTimeout(settle, timeoutMs);
      this.readyWaiters.add(settle);
    });
  }

  /** Work that still needs the database when the process ends. */
  beforeClose(action: () => Promise<void>): void {
    this.closingActions.push(action);
  }

  async onApplicationShutdown(): Promise<void> {
    if (this.isClosing) return;
    this.isClosing = true;
    for (const action of this.closingActions) {
      await action().catch((error: unknown) => this.logger.warn(`At shutdown: ${describe(error)}`));
    }
    this.wake?.();
    await this.loop;
    this.isUsable = false;
    this.reason = 'closed';
    if (this.dataSource?.isInitialized) await this.dataSource.destroy().catch(() => undefined);
    await this.embedded?.stop();
  }

  private async keepConnected(access: DatabaseAccess): Promise<void> {
    let failures = 0;
    while (!this.isClosing) {
      const answersBefore = this.answers;
      try {
        await this.connectOrProbe(access);
        failures = 0;
        this.markUsable();
      } catch (error) {
        failures += 1;
        if (this.isAwayBy(error, answersBefore)) this.markUnusable(error);
      }
      const backOffMs = Math.min(FIRST_RETRY_MS * 2 ** (failures - 1), LONGEST_RETRY_MS) * (0.5 + Math.random() / 2);
      if (!this.isClosing) await this.pause(failures === 0 ? PROBE_INTERVAL_MS : backOffMs);
    }
  }

  private async connectOrProbe(access: DatabaseAccess): Promise<void> {
    if (this.dataSource !== null) {
      await this.dataSource.query('SELECT 1');
      return;
    }
    const { poolSize, connectTimeoutMs, queryTimeoutMs } = this.settings;
    const dataSource = buildDataSource({
      access,
      poolSize,
      connectTimeoutMs,
      queryTimeoutMs,
      onConnectionLost: (error) => this.logger.debug(`An idle connection ended: ${error.message}`),
    });
    await dataSource.initialize();
    try {
      if (this.settings.migrateOnStart) {
        const ran = await runMigrations(access);
        if (ran.length > 0) this.logger.log(`Migrated the database: ${ran.join(', ')}`);
      }
      this.dataSource = dataSource;
    } catch (error) {
      await dataSource.destroy().catch(() => undefined);
      throw error;
    }
  }

  /** Others who got an answer meanwhile know better than one who did not, unless the server itself said why. */
  private isAwayBy(error: unknown, answersBefore: number): boolean {
    return isSaidByServer(error) || this.answers === answersBefore;
  }

  private markUsable(): void {
    this.lastHealthyAtMs = this.clock.monotonicMs();
    if (this.isUsable) return;
    this.isUsable = true;
    this.reason = null;
    this.logger.log('The database is reachable.');
    this.report();
    for (const settle of this.readyWaiters) settle();
  }

  private markUnusable(error: unknown): void {
    const reason = describe(error);
    if (!this.isClosing && this.reason !== reason) this.logger.warn(`The database cannot be used: ${reason}`);
    this.isUsable = false;
    this.reason = reason;
    this.report();
  }

  private report(): void {
    const { state } = this.health;
    if (state === this.reportedState) return;
    this.reportedState = state;
    this.observer.dependencyChanged('database', state);
  }

  private pause(durationMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, durationMs);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** A refused connection to several addresses is an `AggregateError` without words of its own. */
function describe(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(describe).join('; ');
  if (!(error instanceof Error)) return String(error);
  return error.message || error.name;
}

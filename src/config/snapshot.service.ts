import { Injectable, Logger, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { type Observable, Subject } from 'rxjs';
import type { GatewayObserver } from '../domain/observer.js';
import { ConfigError } from './config.error.js';
import { type ConfigReading, loadReading, readConfigDirectory, readSteadyDirectory } from './directory.js';
import { type ConfigExtension, NO_EXTENSION } from './extension.js';
import type { Environment } from './files.js';
import { type LoadedConfig, loadConfig } from './loader.js';
import { formatProblem } from './problem.js';
import type { ConfigSnapshot } from './snapshot.js';
import { ConfigWatcher, DEFAULT_WATCHER_OPTIONS, type WatcherOptions } from './watcher.js';
import { countCores } from './workers.js';

export type ReloadReason = 'files' | 'signal' | 'request';
export type ReloadOutcome = 'applied' | 'rejected' | 'unchanged';

export interface ConfigStatus {
  /** Version of the configuration that serves. */
  readonly version: string;
  /** Milliseconds since 1970. */
  readonly loadedAtMs: number;
  /** Why the files as they are now do not serve; null where they do. Holds no secret. */
  readonly lastError: string | null;
  readonly lastFailedAtMs: number | null;
  /** Keys that hold a new value which takes effect at the next start. */
  readonly pendingRestart: readonly string[];
}

export interface SnapshotServiceOptions {
  /** The folder of the four files. */
  readonly directory: string;
  readonly environment: Environment;
  /** What rooms above add to the configuration; nothing where absent. */
  readonly extension?: ConfigExtension;
  /** Whether changed files and SIGHUP reload the configuration by themselves. */
  readonly watch: boolean;
  readonly watcher?: WatcherOptions;
  /** Asked for at each report, because who observes may itself depend on the configuration. */
  readonly observer: () => GatewayObserver;
}

/** A set of files that was dealt with, and how to know it again. */
interface Handled {
  readonly secretFiles: readonly string[];
  readonly fingerprint: string;
}

/** Holds the configuration that serves. It is swapped as a whole, by a set of files that is right as a whole. */
@Injectable()
export class SnapshotService implements OnModuleInit, OnModuleDestroy {
  private readonly logger = new Logger('Config');
  private readonly changes = new Subject<ConfigSnapshot>();
  private readonly watcher: ConfigWatcher<ConfigReading>;
  private snapshot: ConfigSnapshot;
  private applied: Handled;
  private latest: Handled;
  private pendingRestart: readonly string[] = [];
  private lastError: string | null = null;
  private lastFailedAtMs: number | null = null;
  private queue: Promise<unknown> = Promise.resolve();

  /** Each snapshot that replaces another. */
  readonly changes$: Observable<ConfigSnapshot> = this.changes.asObservable();

  /** Reads the configuration for the first time. Throws `ConfigError` with everything that is wrong with it. */
  static async open(options: SnapshotServiceOptions): Promise<SnapshotService> {
    const { directory, environment, extension = NO_EXTENSION } = options;
    const reading = await readConfigDirectory(directory, extension);
    return new SnapshotService(options, reading, loadReading(reading, directory, environment, extension));
  }

  private constructor(
    private readonly options: SnapshotServiceOptions,
    reading: ConfigReading,
    loaded: LoadedConfig,
  ) {
    this.snapshot = loaded.snapshot;
    this.applied = handledOf(reading, loaded.secretFiles);
    this.latest = this.applied;
    this.watcher = new ConfigWatcher(
      options.directory,
      {
        read: () => readConfigDirectory(options.directory, options.extension),
        fingerprint: (found) => found.fingerprint(this.latest.secretFiles),
        known: () => this.latest.fingerprint,
        settled: (found) =>
          this.enqueue(async () => {
            const { secretFiles, fingerprint } = this.latest;
            const reading = await readConfigDirectory(options.directory, options.extension);
            const current = reading.fingerprint(secretFiles);
            // SIGHUP may have been faster, with newer files than these: what was found is then a thing of the past,
            // and what is there now will be found in its turn.
            if (current === found.fingerprint(secretFiles) && current !== fingerprint) this.handle(reading, 'files');
          }),
      },
      options.watcher ?? DEFAULT_WATCHER_OPTIONS,
    );
    this.logger.log(`Configuration ${this.snapshot.version} of ${options.directory}: ${summarise(this.snapshot)}`);
    for (const warning of loaded.warnings) this.logger.warn(formatProblem(warning));
  }

  get current(): ConfigSnapshot {
    return this.snapshot;
  }

  get status(): ConfigStatus {
    const { version, loadedAtMs } = this.snapshot;
    const { lastError, lastFailedAtMs, pendingRestart } = this;
    return { version, loadedAtMs, lastError, lastFailedAtMs, pendingRestart };
  }

  /** Reads the files now. A set that is wrong changes nothing but `status`. Never throws. */
  reload(reason: ReloadReason): Promise<ReloadOutcome> {
    return this.enqueue(async () => this.handle(await this.readSteadily(), reason));
  }

  onModuleInit(): void {
    if (!this.options.watch) return;
    this.watcher.start();
    process.on('SIGHUP', this.reloadOnSignal);
  }

  onModuleDestroy(): void {
    process.off('SIGHUP', this.reloadOnSignal);
    this.watcher.close();
    this.changes.complete();
  }

  private readSteadily(): Promise<ConfigReading> {
    return readSteadyDirectory(this.options.directory, this.options.extension ?? NO_EXTENSION);
  }

  private readonly reloadOnSignal = (): void => void this.reload('signal');

  /** One set after the other, so that the last one read is the last one applied. */
  private enqueue<Result>(work: () => Result | Promise<Result>): Promise<Result> {
    const outcome = this.queue.then(work);
    this.queue = outcome.catch(() => undefined);
    return outcome;
  }

  private handle(reading: ConfigReading, reason: ReloadReason): ReloadOutcome {
    const outcome = this.tryReading(reading, reason);
    this.options.observer().configReloaded(outcome);
    return outcome;
  }

  private tryReading(reading: ConfigReading, reason: ReloadReason): ReloadOutcome {
    if (reading.fingerprint(this.applied.secretFiles) === this.applied.fingerprint) {
      this.latest = this.applied;
      this.lastError = null;
      this.logger.log(`Configuration ${this.snapshot.version} is unchanged (reload by ${reason})`);
      return 'unchanged';
    }
    const { directory, environment, extension = NO_EXTENSION } = this.options;
    const { files, documents, readSecretFile } = reading;
    const running = this.snapshot.gateway;
    const [nowMs, cores] = [Date.now(), countCores()];
    const result = loadConfig({ files, documents, extension, environment, readSecretFile, nowMs, cores, running });
    this.latest = handledOf(reading, result.secretFiles);
    if (!result.ok) {
      this.lastError = new ConfigError(directory, result.problems).message;
      this.lastFailedAtMs = Date.now();
      this.logger.error(`Configuration change refused, ${this.snapshot.version} goes on serving. ${this.lastError}`);
      return 'rejected';
    }
    this.apply(result, reason);
    return 'applied';
  }

  private apply({ snapshot, warnings, pendingRestart }: LoadedConfig, reason: ReloadReason): void {
    const before = this.snapshot.version;
    this.snapshot = snapshot;
    this.applied = this.latest;
    this.lastError = null;
    this.logger.log(`Configuration ${before} → ${snapshot.version} (reload by ${reason}): ${summarise(snapshot)}`);
    for (const warning of warnings) this.logger.warn(formatProblem(warning));
    if (pendingRestart.length > 0) {
      this.logger.warn(`These changes take effect at the next start only: ${pendingRestart.join(', ')}`);
    }
    this.pendingRestart = pendingRestart;
    this.changes.next(snapshot);
  }
}

function handledOf(reading: ConfigReading, secretFiles: readonly string[]): Handled {
  return { secretFiles, fingerprint: reading.fingerprint(secretFiles) };
}

function summarise({ models, providers }: ConfigSnapshot): string {
  const idle = [...providers.values()].filter(({ configured }) => !configured).map(({ name }) => name);
  const counts = `${models.size} models, ${providers.size} providers`;
  return idle.length === 0 ? counts : `${counts}, of which without a credential or an address: ${idle.join(', ')}`;
}

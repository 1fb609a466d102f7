import { type FSWatcher, watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

export interface WatcherOptions {
  /** How often the files are read though nothing was announced, in milliseconds. */
  readonly pollMs: number;
  /** How long the files must stay the same before they are believed, in milliseconds. */
  readonly settleMs: number;
}

/** The poll finds what `fs.watch` cannot announce; the pause outlasts a writer's between two halves of a file. */
export const DEFAULT_WATCHER_OPTIONS: WatcherOptions = { pollMs: 2_000, settleMs: 500 };

/** What is watched. `fingerprint` is equal for two readings that found the same. */
export interface Watched<Reading> {
  read(): Promise<Reading>;
  fingerprint(reading: Reading): string;
  /** The fingerprint of what was dealt with last, applied or refused. */
  known(): string;
  settled(reading: Reading): Promise<void>;
}

/**
 * Notices that a folder's files hold something new, however they were replaced: written in place, renamed over,
 * deleted and made again, or swapped with the symbolic link they stand behind. Contents decide, never times or
 * inodes, and only contents found twice with a pause between: a half-written file is never acted on.
 */
export class ConfigWatcher<Reading> {
  private watcher: FSWatcher | undefined;
  /** Which folder `watcher` looks at: a path may come to mean another one. */
  private watchedFolder = '';
  private timer: NodeJS.Timeout | undefined;
  private examining = false;
  private askedAgain = false;
  private readonly closing = new AbortController();

  constructor(
    private readonly directory: string,
    private readonly watched: Watched<Reading>,
    private readonly options: WatcherOptions,
  ) {}

  start(): void {
    this.timer = setInterval(() => void this.poll(), this.options.pollMs).unref();
    void this.poll();
  }

  close(): void {
    this.closing.abort();
    clearInterval(this.timer);
    this.watcher?.close();
    this.watcher = undefined;
  }

  private async poll(): Promise<void> {
    await this.watchFolder();
    await this.examine();
  }

  private async watchFolder(): Promise<void> {
    const folder = await stat(this.directory).then(
      ({ dev, ino }) => `${dev}:${ino}`,
      () => '',
    );
    if (this.closing.signal.aborted || (this.watcher !== undefined && folder === this.watchedFolder)) return;
    this.watcher?.close();
    this.watcher = undefined;
    this.watchedFolder = folder;
    try {
      const watcher = watch(this.directory, { persistent: false }, () => void this.examine());
      watcher.on('error', () => {
        watcher.close();
        if (this.watcher === watcher) this.watcher = undefined;
      });
      this.watcher = watcher;
    } catch {
      // No such folder now, or no watches left on this machine: the poll goes on, and tries again.
    }
  }

  private async examine(): Promise<void> {
    if (this.examining) {
      this.askedAgain = true;
      return;
    }
    this.examining = true;
    try {
      do {
        this.askedAgain = false;
        await this.settle();
      } while (this.askedAgain && !this.closing.signal.aborted);
    } finally {
      this.examining = false;
    }
  }

  private async settle(): Promise<void> {
    const { watched } = this;
    const { signal } = this.closing;
    let last = watched.fingerprint(await watched.read());
    while (last !== watched.known()) {
      await delay(this.options.settleMs, undefined, { ref: false, signal }).catch(() => undefined);
      if (signal.aborted) return;
      const reading = await watched.read();
      const next = watched.fingerprint(reading);
      if (next === last) return watched.settled(reading);
      last = next;
    }
  }
}

import { randomBytes } from 'node:crypto';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { findOwnIdentity, isRunning, type ProcessIdentity } from './process-identity.js';

const OWNER_FILE = 'owner.json';
export const SEGMENT_SUFFIX = '.segment';
/** How often an owner says that it lives. */
export const HEARTBEAT_MS = 2_000;
/** An owner that cannot be looked up and has said nothing for so long is dead. */
export const LEASE_MS = 30_000;
/** An owner that could not say so for this long (stopped, suspended) looks whether it still is one before it writes. */
const DOUBT_MS = LEASE_MS / 3;

interface Owner {
  readonly token: string;
  readonly identity: ProcessIdentity | null;
}

interface Sighting {
  readonly heartbeatMs: number;
  readonly seenAtMs: number;
}

/**
 * One process's own folder within the journal's. Nobody else writes there; what a dead process left behind is moved
 * into the folder of a living one, file by file, so that a death in the middle of that leaves nothing in between.
 *
 * Whether an owner lives is read from `/proc` where that can be said for certain: same boot, same process
 * namespace. Elsewhere (containers on one volume) it is dead once its heartbeat has stood still for `LEASE_MS` as the
 * observer's own clock counts. An owner that was itself stopped for long checks before it writes.
 */
export class InstanceFolder {
  private readonly identity = findOwnIdentity();
  private readonly sightings = new Map<string, Sighting>();
  private token = '';
  private folder = '';
  private beatAtMs = 0;

  /** `monotonicMs`: this process's clock. */
  constructor(
    private readonly root: string,
    private readonly monotonicMs: () => number,
  ) {}

  get path(): string {
    return this.folder;
  }

  get name(): string {
    return this.token;
  }

  /** Makes a folder nobody has and owns it. Throws the system's error. */
  claim(): void {
    const token = `${Date.now().toString(36)}-${randomBytes(6).toString('hex')}`;
    const folder = path.join(this.root, token);
    const unborn = path.join(this.root, `.${token}`);
    mkdirSync(unborn, { recursive: true, mode: 0o750 });
    try {
      const owner: Owner = { token, identity: this.identity };
      writeFileSync(path.join(unborn, OWNER_FILE), JSON.stringify(owner));
      // It appears with its owner in it: a folder without one has been let go of.
      renameSync(unborn, folder);
    } catch (error) {
      rmSync(unborn, { recursive: true, force: true });
      throw error;
    }
    this.token = token;
    this.folder = folder;
    this.beatAtMs = this.monotonicMs();
  }

  /** Says that the owner lives. Never throws: a disk that is full lets no time be set. */
  beat(): void {
    if (!this.owns()) return;
    try {
      const now = new Date();
      utimesSync(path.join(this.folder, OWNER_FILE), now, now);
      this.beatAtMs = this.monotonicMs();
    } catch {
      // The next one, or the doubt that grows meanwhile, tells.
    }
  }

  /** Whether this process may write here. Asks the disk only where it was out of time for long. */
  isOurs(): boolean {
    if (this.monotonicMs() - this.beatAtMs < DOUBT_MS) return true;
    this.beat();
    return this.monotonicMs() - this.beatAtMs < DOUBT_MS || this.owns();
  }

  /** Moves the segments of processes that are dead here. The paths they have now. */
  adopt(): string[] {
    const adopted: string[] = [];
    for (const name of listFolders(this.root)) {
      if (name === this.token || !this.isDead(name)) continue;
      const folder = path.join(this.root, name);
      for (const segment of listSegments(folder)) {
        const target = path.join(this.folder, segment);
        if (attempt(() => renameSync(path.join(folder, segment), target))) adopted.push(target);
      }
      if (listSegments(folder).length > 0) continue;
      attempt(() => unlinkSync(path.join(folder, OWNER_FILE)));
      attempt(() => rmSync(path.join(folder, RESERVE_FILE), { force: true }));
      attempt(() => rmdirSync(folder));
      this.sightings.delete(name);
    }
    return adopted;
  }

  /** Lets go of the folder: whoever comes next takes what is left in it at once. */
  release(): void {
    attempt(() => rmSync(path.join(this.folder, RESERVE_FILE), { force: true }));
    attempt(() => unlinkSync(path.join(this.folder, OWNER_FILE)));
    if (listSegments(this.folder).length === 0) attempt(() => rmdirSync(this.folder));
  }

  private owns(): boolean {
    return findOwner(this.folder)?.token === this.token;
  }

  private isDead(name: string): boolean {
    const folder = path.join(this.root, name);
    const heartbeatMs = findHeartbeat(folder);
    if (heartbeatMs === null) return true;
    const running = isRunning(findOwner(folder)?.identity ?? null, this.identity);
    if (running !== null) return !running;
    const nowMs = this.monotonicMs();
    const known = this.sightings.get(name);
    if (known?.heartbeatMs === heartbeatMs) return nowMs - known.seenAtMs >= LEASE_MS;
    this.sightings.set(name, { heartbeatMs, seenAtMs: nowMs });
    return false;
  }
}

/** Room that is given back to the disk where it is full, see `FileJournal`. */
export const RESERVE_FILE = 'reserve';

/** The folders of all processes, living and dead. */
export function listFolders(root: string): string[] {
  return readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .map(({ name }) => name)
    .sort();
}

/** Oldest first; empty where there is no such folder any more. */
export function listSegments(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith(SEGMENT_SUFFIX))
      .sort();
  } catch {
    return [];
  }
}

function findOwner(folder: string): Owner | null {
  try {
    return JSON.parse(readFileSync(path.join(folder, OWNER_FILE), 'utf8')) as Owner;
  } catch {
    return null;
  }
}

/** When the owner last said that it lives, by whatever clock the disk has; null where it let go. */
function findHeartbeat(folder: string): number | null {
  try {
    return statSync(path.join(folder, OWNER_FILE)).mtimeMs;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? null : Number.NaN;
  }
}

/** Another process may be quicker. */
function attempt(action: () => void): boolean {
  try {
    action();
    return true;
  } catch {
    return false;
  }
}

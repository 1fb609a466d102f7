import { randomBytes } from 'node:crypto';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { findOwnIdentity, isRunning, type ProcessIdentity } from './process-identity.js';

const OWNER_FILE = 'owner.json';
/** Within the usage journal's folder: the audit has a journal of its own there. */
export const AUDIT_FOLDER = 'audit';
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
 * One process's own folder within the journal's. Only its owner writes there. What a dead process left behind changes
 * its owner as it lies, by one rename, so that whoever dies in the middle of that leaves nothing half done.
 *
 * Whether an owner lives is read from `/proc` where that can be said for certain: same boot, same process
 * namespace. Elsewhere (containers on one volume) it is dead once its heartbeat has stood still for `LEASE_MS` as the
 * observer's own clock counts. An owner that was itself stopped for long checks before it writes. Two processes that
 * take over the same folder at once both read it to its end, which the ledger does not mind.
 */
export class InstanceFolder {
  private readonly identity = findOwnIdentity();
  private readonly sightings = new Map<string, Sighting>();
  private readonly adopted = new Set<string>();
  private token = '';
  private folder = '';
  private beatAtMs = 0;

  /** `monotonicMs`: this process's clock. */
  constructor(
    private readonly root: string,
    private readonly monotonicMs: () => number,
  ) {}

  /** Empty until one was claimed. */
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
    // Who used what is nobody else's on this machine.
    mkdirSync(unborn, { recursive: true, mode: 0o700 });
    try {
      writeFileSync(path.join(unborn, OWNER_FILE), JSON.stringify(this.describe(token)), { mode: 0o600 });
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

  /** Says that the owner lives. Never throws: a disk in trouble lets no time be set. */
  beat(): void {
    if (this.folder !== '' && this.beatIn(this.folder)) this.beatAtMs = this.monotonicMs();
    for (const folder of this.adopted) this.beatIn(folder);
  }

  /** Whether this process may write here. Asks the disk only where it was out of time for long. */
  isOurs(): boolean {
    if (this.monotonicMs() - this.beatAtMs < DOUBT_MS) return true;
    this.beat();
    return this.monotonicMs() - this.beatAtMs < DOUBT_MS || this.owns(this.folder);
  }

  /** Takes over the folders of processes that are dead. Their paths. */
  adopt(): string[] {
    const taken: string[] = [];
    for (const name of listFolders(this.root)) {
      const folder = path.join(this.root, name);
      if (folder === this.folder || this.adopted.has(folder) || !this.isDead(name)) continue;
      if (!attempt(() => this.takeOver(folder))) continue;
      this.adopted.add(folder);
      this.sightings.delete(name);
      taken.push(folder);
    }
    return taken;
  }

  /** A folder that was taken over and is empty. */
  discard(folder: string): void {
    this.adopted.delete(folder);
    if (this.owns(folder)) letGo(folder);
  }

  /** Lets go of everything: whoever comes next takes what is left at once. */
  release(): void {
    for (const folder of [this.folder, ...this.adopted]) if (folder !== '' && this.owns(folder)) letGo(folder);
    this.adopted.clear();
    this.folder = '';
  }

  private describe(token: string): Owner {
    return { token, identity: this.identity };
  }

  private takeOver(folder: string): void {
    const file = path.join(folder, `${OWNER_FILE}.${this.token}`);
    writeFileSync(file, JSON.stringify(this.describe(this.token)), { mode: 0o600 });
    renameSync(file, path.join(folder, OWNER_FILE));
  }

  private beatIn(folder: string): boolean {
    const now = new Date();
    return this.owns(folder) && attempt(() => utimesSync(path.join(folder, OWNER_FILE), now, now));
  }

  private owns(folder: string): boolean {
    return findOwner(folder)?.token === this.token;
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

/** Leaves no owner; and no folder where nothing is in it. */
function letGo(folder: string): void {
  for (const name of [RESERVE_FILE, OWNER_FILE]) attempt(() => rmSync(path.join(folder, name), { force: true }));
  attempt(() => rmdirSync(folder));
}

/** Room that is given back to the disk where it is full, see `FileJournal`. */
export const RESERVE_FILE = 'reserve';

/** The folders of all processes, living and dead; others may lie beside them. */
export function listFolders(root: string): string[] {
  return readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.') && entry.name !== AUDIT_FOLDER)
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

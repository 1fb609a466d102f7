import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** Where the chart mounts what; a longer place before one that it begins with. */
const MOUNTS = {
  '/etc/aegis/config': 'config',
  '/run/secrets/aegis-audit': 'audit',
  '/run/secrets/aegis': 'secrets',
  '/var/lib/aegis': 'data',
} as const;

export type Mount = (typeof MOUNTS)[keyof typeof MOUNTS];

/** The folders that a pod of the chart would have, in a temporary one. */
export class PodFolder {
  readonly root = mkdtempSync(path.join(tmpdir(), 'aegis-pod-'));
  private generation = 0;

  constructor() {
    for (const mount of Object.values(MOUNTS)) mkdirSync(path.join(this.root, mount));
  }

  /** A text of the chart with the pod's places named as they are here. */
  relocate(text: string): string {
    return Object.entries(MOUNTS).reduce(
      (moved, [place, mount]) => moved.replaceAll(place, path.join(this.root, mount)),
      text,
    );
  }

  path(mount: Mount, ...names: string[]): string {
    return path.join(this.root, mount, ...names);
  }

  /** As the kubelet writes a ConfigMap or a Secret: a new folder, and one symbolic link that is swapped for it. */
  publish(mount: Mount, files: Readonly<Record<string, string>>): void {
    const data = `..2027_${this.generation++}`;
    mkdirSync(this.path(mount, data));
    for (const [name, text] of Object.entries(files)) writeFileSync(this.path(mount, data, name), this.relocate(text));
    symlinkSync(data, this.path(mount, '..data_tmp'));
    renameSync(this.path(mount, '..data_tmp'), this.path(mount, '..data'));
    const present = readdirSync(this.path(mount));
    for (const name of Object.keys(files)) {
      if (!present.includes(name)) symlinkSync(path.join('..data', name), this.path(mount, name));
    }
    for (const old of present.filter((name) => name.startsWith('..2027_') && name !== data)) {
      rmSync(this.path(mount, old), { recursive: true });
    }
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

export const root = path.resolve(__dirname, '..', '..');

const OURS = ['.ci', 'config', 'deploy', 'docs', 'examples', 'migrations', 'scripts', 'src', 'test'];

/** The project's own files, relative to its root; those of the given folders and ending only. */
export function listFiles(folders: readonly string[] = OURS, ending = ''): string[] {
  return folders
    .filter((folder) => existsSync(path.join(root, folder)))
    .flatMap((folder) =>
      readdirSync(path.join(root, folder), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
        .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name))),
    )
    .filter((file) => !file.split(path.sep).includes('node_modules'))
    .sort();
}

/** Files that lie in the root itself: documents, manifests and the tools' settings. */
export function listRootFiles(): string[] {
  return readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== '.env' && !entry.name.endsWith('.log'))
    .map((entry) => entry.name)
    .sort();
}

export const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');

export interface Manifest {
  readonly scripts: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly overrides: Readonly<Record<string, string>>;
  readonly engines: { readonly node: string };
}

export const manifest = JSON.parse(read('package.json')) as Manifest;

export interface LockedPackage {
  readonly version?: string;
  readonly resolved?: string;
  readonly dev?: boolean;
  readonly devOptional?: boolean;
  readonly hasInstallScript?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly engines?: { readonly node?: string };
}

export const lockedPackages = (JSON.parse(read('package-lock.json')) as { packages: Record<string, LockedPackage> })
  .packages;

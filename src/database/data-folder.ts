import path from 'node:path';

/**
 * Where one machine's own data lives: the embedded database, generated secrets. `AEGIS_DATA_DIR`, else `.aegis` in
 * the working folder. Absolute.
 */
export function getDataFolder(environment: NodeJS.ProcessEnv = process.env): string {
  return path.resolve(environment.AEGIS_DATA_DIR || '.aegis');
}

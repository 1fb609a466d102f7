import path from 'node:path';
import type { GatewayConfig } from '../config/schema/gateway.config.js';
import { getDataFolder } from '../database/data-folder.js';
import { shareOf, type WorkerRole } from '../workers/worker-role.js';
import { AUDIT_FOLDER } from './instance-folder.js';

/** Less is no journal. */
const LEAST_BYTES = 1024 * 1024;

/** Where the journal of this configuration lies. Absolute. */
export function getJournalFolder({ accounting }: GatewayConfig): string {
  return accounting.journalDir === '' ? path.join(getDataFolder(), 'journal') : path.resolve(accounting.journalDir);
}

/** As large as one worker's part of it may grow: what is configured is for all of them. */
export function journalBytesOf({ accounting }: GatewayConfig, role: WorkerRole): number {
  return Math.max(LEAST_BYTES, shareOf(accounting.maxJournalBytes, role));
}

/** The audit's own, within the usage journal's. */
export function getAuditJournalFolder(gateway: GatewayConfig): string {
  return path.join(getJournalFolder(gateway), AUDIT_FOLDER);
}

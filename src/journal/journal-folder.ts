import path from 'node:path';
import type { GatewayConfig } from '../config/schema/gateway.config.js';
import { getDataFolder } from '../database/data-folder.js';
import { AUDIT_FOLDER } from './instance-folder.js';

/** Where the journal of this configuration lies. Absolute. */
export function getJournalFolder({ accounting }: GatewayConfig): string {
  return accounting.journalDir === '' ? path.join(getDataFolder(), 'journal') : path.resolve(accounting.journalDir);
}

/** The audit's own, within the usage journal's. */
export function getAuditJournalFolder(gateway: GatewayConfig): string {
  return path.join(getJournalFolder(gateway), AUDIT_FOLDER);
}

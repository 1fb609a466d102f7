import type { EntityManager } from 'typeorm';
import type { DatabaseService } from '../database/database.service.js';
import { AUDIT_CHANGE_REASONS } from '../domain/audit.js';
import { type JournalLog, messageOf } from '../journal/journal-parts.js';
import type { AuditLog } from './audit-log.js';
import type { AuditedChange, BudgetChanged, KeyChanged } from './audit-record.js';

const EVERY_MS = 1_000;
const BATCH = 100;

/** A row of `audit_change`. */
interface Note {
  readonly id: string;
  readonly at: Date;
  readonly actor: string;
  readonly kind: string;
  readonly reason: string;
  readonly key_id: string | null;
  readonly organization: string;
  readonly team: string | null;
  readonly changes: readonly AuditedChange[];
}

/**
 * Takes what the database noted of changed keys and budgets into this process's chain. A note is gone once the event
 * is in the journal; where the process dies in between, another takes it again: its number then stands in two events.
 */
export class ChangeIntake {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | null = null;
  private isComplaining = false;

  constructor(
    private readonly database: DatabaseService,
    private readonly log: AuditLog,
    private readonly logger: JournalLog,
  ) {}

  start(): void {
    this.timer = setInterval(() => void this.run(), EVERY_MS).unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.running;
    await this.run();
  }

  /** Never throws. */
  run(): Promise<void> {
    this.running ??= this.takeAll().finally(() => {
      this.running = null;
    });
    return this.running;
  }

  private async takeAll(): Promise<void> {
    try {
      while (this.database.isAvailable && this.log.isWritable && (await this.takeSome()) === BATCH);
      this.isComplaining = false;
    } catch (error) {
      if (!this.isComplaining) this.logger.warn(`Changes of keys wait for the audit: ${messageOf(error)}`);
      this.isComplaining = true;
    }
  }

  private takeSome(): Promise<number> {
    return this.database.run((manager) =>
      manager.transaction(async (transaction) => {
        const notes = await takeNotes(transaction);
        for (const note of notes) this.log.record(toEvent(note));
        return notes.length;
      }),
    );
  }
}

async function takeNotes(manager: EntityManager): Promise<Note[]> {
  const [notes]: [Note[], number] = await manager.query(
    `DELETE FROM audit_change WHERE id IN (SELECT id FROM audit_change ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED)
     RETURNING id, at, actor, kind, reason, key_id, organization, team, changes`,
    [BATCH],
  );
  return notes.sort((one, other) => Number(one.id) - Number(other.id));
}

function toEvent(note: Note): KeyChanged | BudgetChanged {
  const reason = AUDIT_CHANGE_REASONS.find((known) => known === note.reason) ?? 'updated';
  const facts = {
    reason,
    change: note.id,
    actor: note.actor,
    changed_at: note.at.toISOString(),
    organization: note.organization,
    changes: note.changes,
  };
  if (note.kind === 'key') return { type: 'key.changed', ...facts, key_id: note.key_id ?? '', team: note.team ?? '' };
  return { type: 'budget.changed', ...facts, team: note.team ?? undefined };
}

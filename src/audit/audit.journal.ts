import type { EstateReader } from '../journal/estate.js';
import { FileJournal } from '../journal/file.journal.js';
import type { JournalLog, JournalSettings } from '../journal/journal-parts.js';
import type { Segment } from '../journal/segment.js';
import { ChainTails } from './chain-tails.js';
import type { Unsealed } from './seal.js';

/** What the journal asks of its writer. */
export interface AuditHeir {
  /** Seals what a dead writer left, in its own chain. Throws where that cannot be written. */
  inherit(left: Unsealed): void;
  /** What could not be written can be told now. Throws where it cannot. */
  tellLosses(): void;
}

/** Counts for those who ask. */
export interface AuditCounts {
  records: number;
  failures: number;
}

/**
 * The journal of the audit. All since a writer's last seal stays on the disk until the next: whoever takes over from
 * a dead writer finds there what has to be sealed in its place.
 */
export class AuditJournal extends FileJournal {
  private heir: AuditHeir | null = null;
  private held: Segment | null = null;

  constructor(
    settings: JournalSettings,
    readonly counts: AuditCounts,
    logger: JournalLog,
    monotonicMs?: () => number,
  ) {
    const events = {
      recordWritten: () => void counts.records++,
      failed: () => void counts.failures++,
      measured: () => undefined,
      shipped: () => undefined,
    };
    super(settings, 'audit', events, logger, monotonicMs);
  }

  /** Called before it is opened. */
  serve(heir: AuditHeir): void {
    this.heir = heir;
  }

  /** Returns once the line is with the operating system. Throws where it cannot be written. */
  append(line: string): void {
    this.writeRecord(line);
    // The chain's first record, and the first one in a folder that is new.
    if (this.held === null) this.hold();
  }

  /** As `append`, for a writer's seal of its own records. */
  appendSeal(line: string): void {
    this.writeRecord(line);
    this.hold();
  }

  /** Nothing is left that an heir would have to know. */
  letGo(): void {
    if (this.held) this.held.open--;
    this.held = null;
  }

  protected examine(): EstateReader {
    const tails = new ChainTails();
    return {
      visit: (payload) => (tails.add(payload) ? 'record' : 'unknown'),
      settle: () => {
        const left = tails.list();
        for (const tail of left) this.heir?.inherit(tail);
        return left.length === 0 ? '' : `, and sealed ${left.length} chains whose writers died`;
      },
    };
  }

  protected lost(): void {
    this.held = null;
  }

  protected recovered(): void {
    this.heir?.tellLosses();
  }

  protected ending(): void {
    try {
      this.recovered();
    } catch {
      // Logged when they were lost.
    }
  }

  private hold(): void {
    const { active } = this.writer;
    if (active === this.held) return;
    this.letGo();
    this.held = active;
    if (active) active.open++;
  }
}

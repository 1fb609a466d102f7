import { CONFIG_FILE_NAMES } from './files.js';

/** Where a value stands, and how it may be spoken of. Lines and columns count from 1; 0 = the whole file, the whole line. */
export interface Place {
  /** Its name, without the folder. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** Dotted path of the key, e.g. `models.aegis-fast.primary.provider`; empty for the whole file. */
  readonly path: string;
  /** The value as it stands in the file; null where it is no text of the file's own, or may be secret. */
  readonly shown: string | null;
  /** The `${…}` references that the value was made from. */
  readonly references: readonly string[];
  /** True where a reference of the value came out empty. */
  readonly hasEmptyReference: boolean;
}

/** Something to mend. Never carries a secret: no substituted value and no value of a secret key is ever in it. */
export interface Problem {
  readonly place: Place;
  readonly message: string;
}

/** Gathers every problem of a set of files, so that all can be told together. */
export class Problems {
  private readonly found: Problem[] = [];
  private readonly faulty = new Set<string>();

  get isEmpty(): boolean {
    return this.found.length === 0;
  }

  /** In the order of the files and of their lines. */
  get all(): readonly Problem[] {
    // Files that other rooms make sense of come after the configuration's own, in the order they were read in.
    const files = [...new Set<string>([...CONFIG_FILE_NAMES, ...this.found.map(({ place }) => place.file)])];
    return this.found.toSorted(
      (first, second) =>
        files.indexOf(first.place.file) - files.indexOf(second.place.file) ||
        first.place.line - second.place.line ||
        first.place.column - second.place.column,
    );
  }

  add(place: Place, message: string): void {
    this.faulty.add(`${place.file} ${place.path}`);
    this.found.push({ place, message });
  }

  /** Whether this very value is at fault already, so that nothing need be made of it. */
  covers(place: Place): boolean {
    return this.faulty.has(`${place.file} ${place.path}`);
  }
}

/** `models.yaml:12:15 models.aegis-fast.strategy: must be one of …, not "prioriy"` */
export function formatProblem({ place, message }: Problem): string {
  const column = place.column > 0 ? `:${place.column}` : '';
  const position = place.line > 0 ? `:${place.line}${column}` : '';
  return `${place.file}${position}${place.path === '' ? '' : ` ${place.path}`}: ${message}`;
}

/** The end of a message about a value: what it is, if that may be told, else where it came from. */
export function describeValue(place: Place): string {
  if (place.references.length > 0) return ` (it comes from ${place.references.join(', ')})`;
  return place.shown === null ? '' : `, not ${place.shown}`;
}

export function wholeFile(file: string): Place {
  return { file, line: 0, column: 0, path: '', shown: null, references: [], hasEmptyReference: false };
}

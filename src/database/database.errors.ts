/** The database cannot be asked right now. Says nothing about what was asked. */
export class DatabaseUnavailableError extends Error {
  constructor(reason: string, options?: { readonly cause?: unknown }) {
    super(`The database cannot be asked: ${reason}`, options);
    this.name = 'DatabaseUnavailableError';
  }
}

/**
 * SQLSTATE classes that blame the server's condition, not the statement: connection (08), authorisation (28), no such
 * database (3D), resources (53), intervention such as a shutdown (57), system (58); and 25006, a standby's refusal.
 */
const UNAVAILABLE = /^(08|28|3D|53|57|58)...$|^25006$/;

/** By its class, so that EPIPE, which is the system's word, is none. */
const SQL_STATE = /^[0-9FHPX][0-9A-Z]{4}$/;

/** Whether an error means that the database as a whole cannot serve, so that others should not ask it either. */
export function isUnavailability(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const state = findSqlState(error);
  return state === null || UNAVAILABLE.test(state);
}

/** Whether an error is the server's own word. Any other happened on the way, and may be one connection's alone. */
export function isSaidByServer(error: unknown): boolean {
  return error instanceof Error && findSqlState(error) !== null;
}

/** What the server itself has said carries an SQLSTATE. */
function findSqlState(error: Error): string | null {
  const inner = (error as { driverError?: unknown }).driverError ?? error;
  const code = (inner as { code?: unknown }).code;
  return typeof code === 'string' && SQL_STATE.test(code) ? code : null;
}

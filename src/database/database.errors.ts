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

/** Whether an error means that the database as a whole cannot serve, so that others should not ask it either. */
export function isUnavailability(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const inner = (error as { driverError?: unknown }).driverError ?? error;
  const code = (inner as { code?: unknown }).code;
  // What the server itself has said carries a five-character SQLSTATE; all else happened on the way.
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? UNAVAILABLE.test(code) : true;
}

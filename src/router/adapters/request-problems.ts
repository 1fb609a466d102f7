import { AegisError } from '../../domain/errors.js';

interface Problem {
  readonly path: string;
  readonly text: string;
}

/** A request may hold as many problems as parts; nobody reads more than these. */
const MOST_NAMED = 20;

/** What of a request a provider cannot express: collected, then refused together in one message. */
export class RequestProblems {
  private readonly unsupported: string[] = [];
  private readonly invalid: Problem[] = [];

  /** @param path the field as the client wrote it, e.g. `messages[0].content[1].input_audio` */
  refuse(path: string): void {
    this.unsupported.push(path);
  }

  /** The field could be expressed, were its value another one. */
  reject(path: string, text: string): void {
    this.invalid.push({ path, text });
  }

  /** Throws `AegisError` `unsupported_parameter` or `invalid_request` where anything was found. */
  throwIfAny(): void {
    const sentences: string[] = [];
    if (this.unsupported.length > 0) {
      const fields = this.unsupported
        .slice(0, MOST_NAMED)
        .map((path) => `'${path}'`)
        .join(', ');
      sentences.push(
        `The provider of this model does not support ${fields}. Leave out what it does not support, or ask for another model.`,
      );
    }
    for (const { path, text } of this.invalid.slice(0, MOST_NAMED)) sentences.push(`'${path}': ${text}`);
    if (sentences.length === 0) return;
    throw new AegisError(
      this.unsupported.length > 0 ? 'unsupported_parameter' : 'invalid_request',
      sentences.join(' '),
      {
        param: this.unsupported[0] ?? this.invalid[0]?.path ?? null,
      },
    );
  }
}

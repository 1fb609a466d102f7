import { isObject } from '../../domain/json.js';
import { RepeatedJson, readWritten, writeText } from '../../domain/repeated-json.js';
import type { AnswerText } from './answer-texts.js';
import { isEmptied } from './chunk-envelope.js';

/** Chunks of several choices take turns: nothing is gained by learning each anew. */
const MOST_LEARNED = 16;
/** OpenAI pads chunks with random letters, so that their length tells nothing. */
const PADDING = 'obfuscation';

/** What a chunk says that differs from an earlier one in a word. */
export interface RepeatedWord {
  readonly index: number;
  readonly path: string;
  readonly text: string;
  /** The chunk with another word. */
  write(text: string): string;
}

/** A chunk that says a piece of one text and nothing else: those that follow mostly differ in that alone. */
export class RepeatedChunk {
  constructor(
    private readonly json: RepeatedJson,
    private readonly index: number,
    private readonly path: string,
  ) {}

  /** Null where anything else differs, or nothing is said. */
  read(json: string): RepeatedWord | null {
    const [written, ...others] = this.json.read(json) ?? [];
    if (!written) return null;
    const { index, path } = this;
    return {
      index,
      path,
      text: readWritten(written),
      write: (text) => this.json.write([writeText(text), ...others]),
    };
  }
}

/** Learns from the chunks of one answer, as long as that promises anything. */
export class ChunkLearning {
  private learned = 0;

  learn(json: string, choices: readonly unknown[], texts: readonly AnswerText[]): RepeatedChunk | null {
    const [text] = texts;
    const [choice] = choices;
    if (choices.length !== 1 || texts.length !== 1 || !text?.isPiece || !isObject(choice)) return null;
    if (this.learned === MOST_LEARNED) return null;
    this.learned++;
    const repeated = RepeatedJson.of(json, [text.key, PADDING]);
    const [written, ...others] = repeated?.read(json) ?? [];
    if (!repeated || written === undefined || readWritten(written) !== text.value) return null;
    // Without its word nothing may be left that has to be sent.
    const bare: unknown = JSON.parse(repeated.write(['', ...others]));
    if (!isObject(bare) || !isEmptied(bare)) return null;
    return new RepeatedChunk(repeated, typeof choice.index === 'number' ? choice.index : 0, text.path);
  }
}

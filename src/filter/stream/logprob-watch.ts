import { isObject } from '../../domain/json.js';
import { BlockedTextError, type TextChannel } from './text-channel.js';

/**
 * Spells out the tokens whose probabilities an answer tells: they say its text once more. Where that text would wait or
 * be changed, the probabilities do not go out.
 */
export class LogprobWatch {
  private readonly channels = new Map<string, TextChannel>();
  private isBlocked = false;

  constructor(private readonly openChannel: () => TextChannel) {}

  /** Whether these may go out. In a stream all of a choice have to be shown, in their order; `isWhole`: there are no more. */
  admits(logprobs: unknown, isWhole: boolean): boolean {
    if (logprobs === null || logprobs === undefined) return true;
    if (!isObject(logprobs)) return false;
    let isClean = !this.isBlocked;
    for (const [name, tokens] of Object.entries(logprobs)) {
      if (tokens === null) continue;
      const spelled = (name === 'content' || name === 'refusal') && Array.isArray(tokens) ? spell(tokens) : null;
      isClean = spelled !== null && this.passes(name, spelled, isWhole) && isClean;
    }
    return isClean;
  }

  private passes(name: string, spelled: string, isWhole: boolean): boolean {
    let channel = this.channels.get(name);
    if (!channel) {
      channel = this.openChannel();
      this.channels.set(name, channel);
    }
    const hasWaited = channel.held > 0;
    try {
      const passed = channel.push(spelled) + (isWhole ? channel.finish() : '');
      return passed === spelled && channel.held === 0 && !hasWaited;
    } catch (error) {
      if (!(error instanceof BlockedTextError)) throw error;
      this.isBlocked = true;
      return false;
    }
  }
}

/** Null where it is no list of tokens. */
function spell(tokens: readonly unknown[]): string | null {
  let text = '';
  for (const each of tokens) {
    if (!isObject(each) || typeof each.token !== 'string') return null;
    text += each.token;
  }
  return text;
}

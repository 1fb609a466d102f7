import type { AnthropicBlock, AnthropicTurn } from './anthropic-content.js';
import type { RequestProblems } from './request-problems.js';

/**
 * Anthropic wants the results of all calls of a turn at the beginning of the next one, and no others; ids of letters,
 * digits, `_` and `-`, each used once in a conversation. Ids that servers made up otherwise are written anew, in place.
 *
 * @param paths where in the request a call or a result stands
 */
export function matchToolResults(
  turns: readonly AnthropicTurn[],
  paths: ReadonlyMap<AnthropicBlock, string>,
  problems: RequestProblems,
): void {
  const taken = new TakenIds();
  /** The calls that wait for a result: the client's id → the id sent, and the call's place. */
  let open = new Map<string, { readonly id: string; readonly path: string }>();
  for (const { role, content } of turns) {
    const isReply = role === 'user';
    content.forEach((block, at) => {
      const path = paths.get(block) ?? '';
      if (isReply && block.type === 'tool_result') {
        const call = open.get(String(block.tool_use_id));
        open.delete(String(block.tool_use_id));
        if (!call) problems.reject(`${path}.tool_call_id`, 'answers no open tool call of the message before.');
        else if (call.id !== block.tool_use_id) content[at] = { ...block, tool_use_id: call.id };
      } else if (!isReply && block.type === 'tool_use') {
        const own = String(block.id);
        if (open.has(own)) {
          problems.reject(`${path}.id`, 'must differ from the ids of the other tool calls.');
          return;
        }
        const id = taken.take(own);
        open.set(own, { id, path });
        if (id !== block.id) content[at] = { ...block, id };
      }
    });
    if (!isReply) continue;
    refuseOpen(open.values(), problems);
    open = new Map();
    putResultsFirst(content);
  }
  refuseOpen(open.values(), problems);
}

function refuseOpen(calls: Iterable<{ readonly path: string }>, problems: RequestProblems): void {
  for (const { path } of calls) problems.reject(path, 'has no tool message after it that gives its result.');
}

class TakenIds {
  private readonly ids = new Set<string>();
  /** How often an id was wanted: where to go on counting. */
  private readonly wishes = new Map<string, number>();

  take(wanted: string): string {
    const plain = wanted.replace(/[^A-Za-z0-9_-]/g, '_') || 'call';
    let count = (this.wishes.get(plain) ?? 0) + 1;
    let id = count === 1 ? plain : `${plain}_${count}`;
    while (this.ids.has(id)) id = `${plain}_${++count}`;
    this.wishes.set(plain, count);
    this.ids.add(id);
    return id;
  }
}

function putResultsFirst(content: AnthropicBlock[]): void {
  const firstOther = content.findIndex(({ type }) => type !== 'tool_result');
  const lastResult = content.findLastIndex(({ type }) => type === 'tool_result');
  if (firstOther === -1 || lastResult < firstOther) return;
  const others = content.filter(({ type }) => type !== 'tool_result');
  const results = content.filter(({ type }) => type === 'tool_result');
  [...results, ...others].forEach((block, at) => {
    content[at] = block;
  });
}

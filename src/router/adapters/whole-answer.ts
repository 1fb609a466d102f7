import type { ChatCompletion } from '../../domain/chat.js';

/** A whole answer as the stream a client asked for: one chunk a choice, its finish, then the count where asked for. */
export function toChunks(completion: ChatCompletion, includeUsage: boolean): string[] {
  const { choices, usage, ...envelope } = completion;
  const chunk = (fields: object): string =>
    JSON.stringify({ ...envelope, object: 'chat.completion.chunk', choices: [], ...fields });
  const texts: string[] = [];
  for (const { message, finish_reason, logprobs, ...fields } of choices) {
    const { tool_calls: calls, ...said } = message;
    const delta = { ...said, ...(calls && { tool_calls: calls.map((call, index) => ({ ...call, index })) }) };
    texts.push(chunk({ choices: [{ index: fields.index, delta, logprobs, finish_reason: null }] }));
  }
  for (const { message: _message, logprobs: _logprobs, finish_reason, ...fields } of choices) {
    texts.push(chunk({ choices: [{ ...fields, delta: {}, logprobs: null, finish_reason }] }));
  }
  if (includeUsage && usage) texts.push(chunk({ usage }));
  return texts;
}

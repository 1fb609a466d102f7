/**
 * Names that stand on both sides of the translation to Anthropic: in the request that goes out, and in the answer that
 * comes back or is sent again as part of the next request.
 */

/**
 * The tool by which a model without a JSON mode of its own is made to answer in JSON: its input is the answer's text.
 * A client's tool of this name is refused.
 */
export const JSON_ANSWER_TOOL = 'aegis_json_answer';

/**
 * The field of an assistant message that holds the thinking Anthropic has signed, in order: `{type: 'thinking',
 * thinking, signature}` or `{type: 'redacted_thinking', data}`. A client that sends an answer back as it got it sends
 * the signatures with it.
 */
export const THINKING_BLOCKS = 'thinking_blocks';

import { isObject } from '../../src/domain/json.js';

/**
 * Rules of Anthropic's Messages API that its types do not hold, read from its documentation and its errors.
 * Source: https://platform.claude.com/docs/en/api/messages and the pages it leads to.
 */

type Json = Record<string, unknown>;

const TOOL_NAME = /^[A-Za-z0-9_-]{1,128}$/;
const TOOL_USE_ID = /^[A-Za-z0-9_-]+$/;
const REFUSED_IN_GRAMMARS =
  /^(?:minimum|maximum|exclusiveMinimum|exclusiveMaximum|multipleOf|minLength|maxLength|maxItems|uniqueItems|pattern|allOf|oneOf|not|if|patternProperties|prefixItems|contains)$/;

/** What Anthropic would refuse of a body; empty where it takes it. */
export function findBrokenRules(body: Json): string[] {
  const broken: string[] = [];
  const rule = (holds: boolean, words: string): void => {
    if (!holds) broken.push(words);
  };
  const turns = list(body.messages);
  const thinking = isObject(body.thinking) ? body.thinking : {};
  const tools = list(body.tools);
  const choice = isObject(body.tool_choice) ? body.tool_choice : {};
  const model = String(body.model);
  const isNewer = /claude-[a-z]+-(?:4-[678]|5)/.test(model);
  const isAskedToThink = thinking.type === 'enabled' || thinking.type === 'adaptive';
  const isForced = choice.type === 'any' || choice.type === 'tool';

  rule(Number.isInteger(body.max_tokens) && Number(body.max_tokens) >= 1, 'max_tokens is a count');
  checkTurns(turns, rule);
  checkToolResults(turns, rule);
  for (const block of allTexts(body)) rule(String(block.text).trim() !== '', 'texts are not blank');

  const last = turns.at(-1);
  const lastBlock = last ? list(last.content).at(-1) : undefined;
  if (last?.role === 'assistant') {
    rule(!isAskedToThink && !isObject(body.output_config), 'nothing is continued while thinking or in a format');
    rule(!isNewer, 'newer models continue nothing');
    rule(lastBlock?.type !== 'text' || /\S$/.test(String(lastBlock.text)), 'what is continued ends in no blank');
  }

  const names = tools.map(({ name }) => String(name));
  rule(new Set(names).size === names.length, 'tool names differ');
  for (const tool of tools) {
    rule(TOOL_NAME.test(String(tool.name)), 'tool names are plain');
    const schema = isObject(tool.input_schema) ? tool.input_schema : {};
    rule(schema.type === 'object', 'the input of a tool is an object');
    rule(!('anyOf' in schema || 'oneOf' in schema || 'allOf' in schema), 'the input of a tool is no composition');
    if (tool.strict === true) checkGrammar(schema, rule);
  }
  rule(tools.filter(({ strict }) => strict).length <= 20, 'strict tools are few');
  rule(body.tool_choice === undefined || tools.length > 0, 'a choice is made among tools');
  if (choice.type === 'tool') rule(names.includes(String(choice.name)), 'the chosen tool is there');
  if (choice.type === 'none') rule(!('disable_parallel_tool_use' in choice), 'none is one at a time anyway');
  rule(!(isForced && thinking.type === 'enabled'), 'no tool is forced while thinking with a budget');
  rule(!(isForced && /(?:opus|sonnet)-5-5|fable-5-[12]/.test(model)), 'no tool is forced on the newest models');
  const speaksOfTools = turns.some(({ content }) => list(content).some(({ type }) => type === 'tool_use'));
  rule(!speaksOfTools || tools.length > 0, 'tools that were called are declared');

  if (thinking.type === 'enabled') {
    const budget = Number(thinking.budget_tokens);
    rule(budget >= 1024 && budget < Number(body.max_tokens), 'the budget is at least 1024 and below max_tokens');
    rule(!isNewer, 'newer models take no budget');
    const results = list(last?.content).some(({ type }) => type === 'tool_result');
    const before = list(turns.at(-2)?.content)[0];
    rule(!results || /thinking$/.test(String(before?.type)), 'a turn with a budget begins with thinking');
  }
  if (thinking.type === 'disabled') rule(!/fable|mythos|(?:opus|sonnet)-5-5/.test(model), 'thinking can be disabled');
  if (isAskedToThink) {
    rule(body.temperature === undefined || body.temperature === 1, 'temperature is 1 while thinking');
    rule(body.top_p === undefined || Number(body.top_p) >= 0.95, 'top_p is at least 0.95 while thinking');
    rule(body.top_k === undefined, 'there is no top_k while thinking');
  }
  rule(body.temperature === undefined || within(body.temperature, 0, 1), 'temperature is 0 to 1');
  rule(body.top_p === undefined || within(body.top_p, 0, 1), 'top_p is 0 to 1');
  if (/claude-(?:opus|sonnet|haiku)-4-[156]/.test(model)) {
    rule(body.temperature === undefined || body.top_p === undefined, 'temperature and top_p exclude each other');
  }
  if (/claude-[a-z]+-(?:4-[78]|5)/.test(model)) {
    rule(!('temperature' in body || 'top_p' in body || 'top_k' in body), 'newest models take no sampling');
  }
  for (const stop of Array.isArray(body.stop_sequences) ? body.stop_sequences : []) {
    rule(String(stop).trim() !== '', 'stop sequences are not blank');
  }
  const userId = isObject(body.metadata) ? body.metadata.user_id : '';
  rule(String(userId).length <= 256, 'user_id is not too long');
  const format = isObject(body.output_config) ? body.output_config.format : undefined;
  if (isObject(format)) {
    checkGrammar(format.schema, rule);
    rule(!/claude-(?:3|[a-z]+-4(?:-[01])?(?:-\d{8})?$)/.test(model), 'older models know no format');
  }
  rule(count(body, 'cache_control') <= 4, 'four cache marks at most');
  return broken;
}

type Rule = (holds: boolean, words: string) => void;

function checkTurns(turns: readonly Json[], rule: Rule): void {
  rule(turns.length > 0 && turns[0]?.role === 'user', 'the user speaks first');
  turns.forEach((turn, index) => {
    rule(turn.role === (index % 2 === 0 ? 'user' : 'assistant'), 'roles alternate');
    const blocks = list(turn.content);
    rule(blocks.length > 0, 'no turn is empty');
    const thinks = blocks.filter(({ type }) => /thinking$/.test(String(type)));
    rule(thinks.length === 0 || turn.role === 'assistant', 'only the assistant thinks');
    rule(!/thinking$/.test(String(blocks.at(-1)?.type)), 'no turn ends in thinking');
    for (const block of thinks) rule(!('cache_control' in block), 'thinking is not marked');
  });
}

function checkToolResults(turns: readonly Json[], rule: Rule): void {
  const seen = new Set<unknown>();
  turns.forEach((turn, index) => {
    const blocks = list(turn.content);
    const calls = blocks.filter(({ type }) => type === 'tool_use');
    for (const { id, name, input } of calls) {
      rule(TOOL_USE_ID.test(String(id)) && !seen.has(id), 'ids of calls are plain and differ');
      rule(TOOL_NAME.test(String(name)) && isObject(input), 'calls have a name and an input');
      seen.add(id);
    }
    const answered = list(turns[index + 1]?.content).filter(({ type }) => type === 'tool_result');
    const ids = (blocksOf: Json[], key: string): string => JSON.stringify(blocksOf.map((block) => block[key]).sort());
    if (turn.role === 'assistant') rule(ids(calls, 'id') === ids(answered, 'tool_use_id'), 'each call has one result');
    else rule(index > 0 || !blocks.some(({ type }) => type === 'tool_result'), 'no result comes first');
    const lastResult = blocks.findLastIndex(({ type }) => type === 'tool_result');
    const firstOther = blocks.findIndex(({ type }) => type !== 'tool_result');
    rule(lastResult === -1 || firstOther === -1 || lastResult < firstOther, 'results come first in their turn');
  });
}

/** What structured outputs and strict tools take. */
function checkGrammar(schema: unknown, rule: Rule): void {
  if (Array.isArray(schema)) {
    for (const branch of schema) checkGrammar(branch, rule);
    return;
  }
  if (!isObject(schema)) return;
  for (const keyword of Object.keys(schema)) rule(!REFUSED_IN_GRAMMARS.test(keyword), `no ${keyword} in a grammar`);
  if (schema.type === 'object') rule(schema.additionalProperties === false, 'objects of a grammar are closed');
  for (const group of [schema.properties, schema.$defs, schema.definitions]) {
    if (isObject(group)) for (const member of Object.values(group)) checkGrammar(member, rule);
  }
  checkGrammar(schema.items, rule);
  checkGrammar(schema.anyOf, rule);
}

function* allTexts(body: Json): Generator<Json> {
  for (const holder of [body, ...list(body.messages)]) {
    for (const block of [...list(holder.system), ...list(holder.content)]) {
      if (block.type === 'text') yield block;
      if (block.type === 'tool_result') yield* list(block.content).filter(({ type }) => type === 'text');
    }
  }
}

function list(value: unknown): Json[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function within(value: unknown, least: number, most: number): boolean {
  return typeof value === 'number' && value >= least && value <= most;
}

function count(value: unknown, key: string): number {
  if (Array.isArray(value)) return value.reduce((sum: number, member) => sum + count(member, key), 0);
  if (!isObject(value)) return 0;
  return Object.entries(value).reduce((sum, [name, member]) => sum + (name === key ? 1 : count(member, key)), 0);
}

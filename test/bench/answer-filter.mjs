/**
 * What the filter costs on answers, with the shipped rules: prose word by word, as it streams. Compiled code, processor time
 * of one thread, no gateway. Prints nanoseconds a delta, and how much waits after it.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const ROUNDS = 5;
const MAX_CHARACTERS = 200_000;
const dist = process.env.AEGIS_BENCH_DIST ?? new URL('../../dist/', import.meta.url).pathname;
const load = (file) => import(path.join(dist, 'src', file));

const { FiltersConfig } = await load('config/schema/filters.config.js');
const { ActionPolicy } = await load('filter/action-policy.js');
const { loadRules } = await load('filter/rules/rule-loader.js');
const { StreamRules } = await load('filter/stream/stream-rules.js');
const { TextChannel } = await load('filter/stream/text-channel.js');
const { AnswerRewriter } = await load('filter/stream/answer-rewriter.js');

const { rules } = loadRules(readFileSync('config/secret-rules.yaml', 'utf8'), 'secrets');
const filters = new FiltersConfig();
filters.secrets.responseAction = 'redact';
const compiled = StreamRules.of(rules, new ActionPolicy(filters), 'INTERNAL');

/** Paragraphs of ordinary sentences from installed packages' documentation. */
function prose() {
  let text = '';
  for (const name of readdirSync('node_modules')) {
    const file = path.join('node_modules', name, 'README.md');
    if (!existsSync(file)) continue;
    const paragraphs = readFileSync(file, 'utf8').split(/\n\s*\n/);
    text += `${paragraphs.filter((each) => /^[A-Z][^`<>[\]{}|#=_*\\]{80,}[.!?]$/.test(each.trim())).join('\n\n')}\n\n`;
    if (text.length > MAX_CHARACTERS) break;
  }
  return text;
}

const text = prose();
const words = text.match(/\s?[A-Za-z0-9']+|\s?[^A-Za-z0-9'\s]|\s+/g) ?? [];

function stream(pieces) {
  const channel = new TextChannel({ rules: compiled, markers: null, isJson: false, onAction: () => undefined });
  const held = [];
  for (const piece of pieces) {
    channel.push(piece);
    held.push(channel.held);
  }
  channel.finish();
  return held;
}

function chunkOf(content) {
  const choices = [{ index: 0, delta: { content }, logprobs: null, finish_reason: null }];
  return JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'm', choices });
}

function best(work) {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const startedAt = process.hrtime.bigint();
    work();
    least = Math.min(least, Number(process.hrtime.bigint() - startedAt));
  }
  return least;
}

const held = stream(words);
const waiting = held.filter((units) => units > 0);
const chunks = words.map(chunkOf);
const perDelta = best(() => stream(words)) / words.length;
const parse =
  best(() => {
    for (const chunk of chunks) JSON.parse(chunk);
  }) / chunks.length;
const perChunk = best(() => {
  const rewriter = new AnswerRewriter({
    rules: compiled,
    markers: null,
    findings: { record: () => undefined },
    screen: null,
  });
  for (const chunk of chunks) rewriter.rewriteChunk(chunk);
  rewriter.finish();
});
const whole = best(() => stream([text]));

console.log(`${rules.length} rules, ${text.length} characters of prose in ${words.length} deltas`);
console.log(`a delta's text       ${Math.round(perDelta)} ns`);
console.log(
  `a chunk              ${Math.round(perChunk / chunks.length)} ns, of which JSON.parse ${Math.round(parse)} ns`,
);
console.log(`at once              ${(text.length / 1e6 / (whole / 1e9)).toFixed(0)} MB/s`);
console.log(
  `deltas that end with something waiting: ${waiting.length} of ${held.length} (${((100 * waiting.length) / held.length).toFixed(1)} %), ` +
    `at most ${Math.max(0, ...waiting)} characters, ${(held.reduce((sum, units) => sum + units, 0) / held.length).toFixed(3)} on average`,
);
if (process.env.AEGIS_BENCH_VERBOSE) {
  const counts = new Map();
  words.forEach((word, index) => {
    if (held[index] > 0) counts.set(`${word}|${held[index]}`, (counts.get(`${word}|${held[index]}`) ?? 0) + 1);
  });
  const most = [...counts].sort((one, other) => other[1] - one[1]).slice(0, 60);
  console.log(most.map(([word, count]) => `${JSON.stringify(word)} ${count}`).join('  '));
}

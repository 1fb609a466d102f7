/** An application on Vercel's AI SDK: the library itself runs the tools and asks again. */
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, jsonSchema, Output, stepCountIs, streamText, tool } from 'ai';
import { answerTasks, connection, runTool } from './lib/answer-tasks.mjs';
import { person } from './lib/person.mjs';

const openai = createOpenAI(connection);
const compatible = createOpenAICompatible({
  ...connection,
  name: 'aegis',
  includeUsage: true,
  supportsStructuredOutputs: true,
});
/** The two packages that speak chat completions; the second reads `reasoning_content`. */
const PACKAGES = { openai: (model) => openai.chat(model), 'openai-compatible': (model) => compatible(model) };

async function roundTrip({ model, package: name = 'openai', prompt, tools, stream = false, reasoningEffort }) {
  const settings = {
    model: PACKAGES[name](model),
    prompt,
    maxRetries: 0,
    stopWhen: stepCountIs(3),
    providerOptions: reasoningEffort && { openai: { reasoningEffort }, aegis: { reasoningEffort } },
    tools: Object.fromEntries(
      tools.map(({ name: toolName, description, parameters }) => [
        toolName,
        tool({
          description,
          inputSchema: jsonSchema(parameters),
          execute: async (input) => runTool(toolName, input),
        }),
      ]),
    ),
  };
  const { steps, usage } = stream ? await streamed(settings) : await generateText(settings).then(readTotals);
  return {
    calls: steps.flatMap(({ toolCalls }) =>
      toolCalls.map(({ toolCallId, toolName, input }) => ({ id: toolCallId, name: toolName, input })),
    ),
    text: steps.at(-1).text,
    reasoning: steps[0].reasoningText ?? null,
    finishReasons: steps.map(({ finishReason }) => (finishReason === 'tool-calls' ? 'tool_calls' : finishReason)),
    usage: { inputTokens: usage.inputTokens, outputTokens: usage.outputTokens },
  };
}

const readTotals = ({ steps, totalUsage }) => ({ steps, usage: totalUsage });

async function streamed(settings) {
  const answer = streamText({ ...settings, onError: () => undefined });
  let text = '';
  for await (const part of answer.fullStream) {
    if (part.type === 'error') throw part.error;
    if (part.type === 'tool-error') throw part.error;
    if (part.type === 'start-step') text = '';
    if (part.type === 'text-delta') text += part.text;
  }
  const steps = await answer.steps;
  if (text !== steps.at(-1).text) throw new Error(`streamed ${text}, but ended with ${steps.at(-1).text}`);
  return { steps, usage: await answer.totalUsage };
}

/** An object by the model's own structured output. */
async function extract({ model, package: name = 'openai', prompt, stream = false }) {
  const settings = {
    model: PACKAGES[name](model),
    prompt,
    maxRetries: 0,
    output: Output.object({ schema: person, name: 'person' }),
  };
  if (!stream) return (await generateText(settings)).output;
  const answer = streamText({ ...settings, onError: () => undefined });
  let partials = 0;
  for await (const _partial of answer.partialOutputStream) partials++;
  if (partials === 0) throw new Error('nothing was streamed');
  return answer.output;
}

await answerTasks({ roundTrip, extract });

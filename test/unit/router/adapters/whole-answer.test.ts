import { toChunks } from '../../../../src/router/adapters/whole-answer.js';
import { joinChunks } from '../../../support/streamed-answers.js';
import { HEAD, parse } from './openai-wire.js';

const usage = { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 };
const call = (id: string, fields: object = {}): object => ({
  id,
  type: 'function',
  function: { name: 'look_up', arguments: `{"id":"${id}"}` },
  ...fields,
});

describe('a whole answer as the stream a client asked for', () => {
  it('says all of each choice, then how it ended, then the count', () => {
    const choices = [
      { index: 0, message: { content: 'Hi', reasoning: 'Hm' }, finish_reason: 'length' },
      { index: 1, message: { content: null, refusal: 'No.' }, finish_reason: 'stop' },
    ];
    const answer = parse({ ...HEAD, object: 'chat.completion', choices, usage });
    expect(joinChunks(toChunks(answer, true))).toMatchObject({
      choices: [
        { content: 'Hi', reasoning: 'Hm', finishReasons: ['length'] },
        { content: '', refusal: 'No.', finishReasons: ['stop'] },
      ],
      usage: [usage],
      faults: [],
    });
    expect(joinChunks(toChunks(answer, false)).usage).toEqual([]);
  });

  it('counts its tool calls from 0, whatever the server counts', () => {
    const message = { content: null, tool_calls: [call('a', { index: 0 }), call('b', { index: 0 }), call('c')] };
    const answer = parse({ ...HEAD, object: 'chat.completion', choices: [{ message, finish_reason: 'tool_calls' }] });
    const { choices, faults } = joinChunks(toChunks(answer, false));
    expect(faults).toEqual([]);
    expect(choices[0]?.tools.map(({ id, arguments: text }) => [id, text])).toEqual([
      ['a', '{"id":"a"}'],
      ['b', '{"id":"b"}'],
      ['c', '{"id":"c"}'],
    ]);
  });
});

import { CONTEXT } from '../../../support/streamed-answers.js';
import { adapter, chunk, DONE, HEAD, ROLE, stream } from './openai-wire.js';

const USAGE = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };

const countedOf = (fields: object) => {
  const choices = [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }];
  const answer = { ...HEAD, choices, usage: USAGE, ...fields };
  return adapter.parseCompletion(Buffer.from(JSON.stringify(answer)), CONTEXT).usage;
};

describe('the service tier an answer names', () => {
  it.each(['flex', 'scale', 'priority', 'fast'])('is kept with what it used where it is %s', (tier) => {
    expect(countedOf({ service_tier: tier })).toMatchObject({ serviceTier: tier });
  });

  it.each(['default', 'auto', 'on_demand', '', null, 7, {}])('is nothing to bill by where it is %j', (tier) => {
    expect(countedOf({ service_tier: tier })).not.toHaveProperty('serviceTier');
  });

  it('is kept of a stream, whichever of its chunks says so', () => {
    const last = { ...HEAD, choices: [], usage: USAGE };
    const body = [chunk({ content: 'a' }), chunk({}, 'stop')];
    const tier = { service_tier: 'priority' };
    expect(stream(ROLE, ...body, { ...last, ...tier }, DONE).usage).toMatchObject({ serviceTier: 'priority' });
    expect(stream({ ...ROLE, ...tier }, ...body, last, DONE).usage).toMatchObject({ serviceTier: 'priority' });
    expect(stream(ROLE, ...body, last, DONE).usage).not.toHaveProperty('serviceTier');
  });
});

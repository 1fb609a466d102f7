import type { OpenAiAdapter } from '../../../../src/router/adapters/openai.adapter.js';
import type { VllmAdapter } from '../../../../src/router/adapters/vllm.adapter.js';
import { adapter } from './openai-wire.js';

describe("an error in OpenAI's format", () => {
  const fault = (status: number, body: unknown, adapterOf = adapter as OpenAiAdapter | VllmAdapter) =>
    adapterOf.parseError(status, {}, Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)));

  it.each([
    [
      'OpenAI',
      { error: { message: 'No.', type: 't', param: 'p', code: 'c' } },
      { message: 'No.', type: 't', param: 'p', wireCode: 'c' },
    ],
    [
      'vLLM',
      { object: 'error', message: 'No.', type: 'BadRequestError', param: null, code: 400 },
      { message: 'No.', type: 'BadRequestError', wireCode: '400' },
    ],
    ['a bare text', { error: 'No.' }, { message: 'No.', type: 'invalid_request_error', wireCode: null }],
    ['FastAPI', { detail: 'No.' }, { message: 'No.' }],
    [
      'FastAPI with places',
      {
        detail: [
          { loc: ['body', 'messages', 0], msg: 'missing' },
          { loc: ['body', 'n'], msg: 'bad' },
        ],
      },
      { message: 'messages.0: missing; n: bad', param: 'messages.0' },
    ],
    [
      'Google',
      [{ error: { code: 400, message: 'No.', status: 'INVALID_ARGUMENT' } }],
      { message: 'No.', wireCode: '400' },
    ],
    ['HTML', '<html><h1>Bad</h1></html>', { message: expect.stringContaining('HTTP 400') }],
    ['nothing', '', { message: expect.stringContaining('HTTP 400') }],
  ])('is read as %s writes it', (_name, body, expected) => {
    expect(fault(400, body)).toMatchObject({ disposition: 'caller', status: 400, ...expected });
  });

  it("names Azure's content filter by our code", () => {
    const filtered = {
      error: {
        message: 'Filtered.',
        param: 'prompt',
        code: 'content_filter',
        innererror: { code: 'ResponsibleAIPolicyViolation' },
      },
    };
    expect(fault(400, filtered)).toMatchObject({
      code: 'content_filter',
      wireCode: 'content_filter',
      status: 400,
      type: 'invalid_request_error',
      param: 'prompt',
    });
  });

  it.each([
    [{ error: { message: 'm', code: 'insufficient_quota' } }],
    [{ error: { message: 'm', type: 'insufficient_quota' } }],
    [{ error: { message: 'Request too large for gpt-4: Limit 10, Requested 20.', code: 'rate_limit_exceeded' } }],
  ])('knows a limit that no wait can mend: %j', (body) => {
    expect(fault(429, body)).toMatchObject({ disposition: 'exhausted', mayTryElsewhere: true });
  });

  it('never restates a part of a credential', () => {
    expect(fault(400, { error: { message: 'API key not valid: sk-proj-abc123' } })).toMatchObject({
      disposition: 'credential',
    });
    expect(fault(400, { error: { message: 'No sk-proj-abc123 here' } }).message).toBe('No [redacted] here');
  });

  it('restates no more of a long message than a client can use', () => {
    expect(fault(400, { error: { message: 'x'.repeat(100_000) } }).message.length).toBeLessThan(2_100);
  });
});

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
    [
      'FastAPI with an object',
      { detail: { message: 'No.', code: 'bad_thing', type: 't' } },
      { message: 'No.', wireCode: 'bad_thing', type: 't' },
    ],
    [
      'FastAPI with an error within',
      { detail: { error: { message: 'No.', param: 'n' } } },
      { message: 'No.', param: 'n' },
    ],
    [
      'Mistral',
      {
        object: 'error',
        message: { detail: [{ loc: ['body', 'n'], msg: 'bad' }] },
        type: 'invalid_request_error',
        code: null,
      },
      { message: 'n: bad', param: 'n', type: 'invalid_request_error' },
    ],
    ['text-generation-inference', { error: 'No.', error_type: 'validation' }, { message: 'No.', type: 'validation' }],
    ['Hugging Face', { error: ['No.', 'Never.'] }, { message: 'No.; Never.' }],
    ['xAI', { code: 'Client specified an invalid argument', error: 'No.' }, { message: 'No.', wireCode: null }],
    [
      'SGLang',
      { object: 'error', message: 'No.', type: 'BadRequest', param: null, code: 400 },
      { message: 'No.', wireCode: '400' },
    ],
    [
      'vLLM of today',
      { error: { message: 'No.', type: 'BadRequestError', param: 'n', code: 400 } },
      { message: 'No.', param: 'n' },
    ],
    [
      'LiteLLM',
      { error: { message: 'No.', type: null, param: null, code: '400' } },
      { message: 'No.', wireCode: '400' },
    ],
    ['Cloudflare', { success: false, errors: [{ code: 7003, message: 'No.' }] }, { message: 'No.', wireCode: '7003' }],
    ['a gateway of Azure', { statusCode: 400, message: 'No.' }, { message: 'No.' }],
    ['problem+json', { title: 'Bad Request', status: 400, detail: 'No.' }, { message: 'No.' }],
    ['problem+json without detail', { title: 'No.', status: 400 }, { message: 'No.' }],
    ['a bare JSON text', '"No."', { message: 'No.' }],
    [
      'plain text',
      'Failed to deserialize: missing field `role`',
      { message: 'Failed to deserialize: missing field `role`' },
    ],
    ['JSON that breaks off', '{"error":{"message":"No', { message: expect.stringContaining('HTTP 400') }],
    ['bytes', '\0\u0001\u0002', { message: expect.stringContaining('HTTP 400') }],
    [
      'wrong types',
      { error: { message: {}, type: 5, code: [], param: {} } },
      { message: expect.stringContaining('HTTP 400') },
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
    [
      'the names of the filters',
      {
        hate: { filtered: true, severity: 'high' },
        jailbreak: { filtered: true, detected: true },
        violence: { filtered: false },
      },
      ' Filtered by: hate, jailbreak.',
    ],
    ['no filter that let it pass', { hate: { filtered: false } }, ''],
    ['nothing that is no name', { 'sk-proj-abcdef123456 http://host': { filtered: true }, x: 5, y: null }, ''],
    ['nothing where there is nothing', null, ''],
  ])("adds %s to the words of Azure's filter", (_name, content_filter_result, added) => {
    const innererror = { code: 'ResponsibleAIPolicyViolation', content_filter_result };
    const error = fault(400, { error: { message: 'Filtered.', param: 'prompt', code: 'content_filter', innererror } });
    expect(error).toMatchObject({ code: 'content_filter', status: 400, message: `Filtered.${added}` });
    expect(Object.keys(error.toEnvelope('r').error).sort()).toEqual(['code', 'message', 'param', 'request_id', 'type']);
  });

  it.each([
    [401, { statusCode: 401, message: 'Access denied due to missing subscription key.' }, 'credential'],
    [
      401,
      { error: { code: '401', message: 'Access denied due to invalid subscription key or wrong API endpoint.' } },
      'credential',
    ],
    [403, { error: { code: '403', message: 'Access denied due to Virtual Network/Firewall rules.' } }, 'credential'],
    [404, { error: { code: 'DeploymentNotFound', message: 'The API deployment does not exist.' } }, 'caller'],
    [408, { error: { code: 'Timeout', message: 'The operation was timeout.' } }, 'transient'],
    [424, { error: { code: 'FailedDependency', message: 'm' } }, 'transient'],
    [
      429,
      {
        error: {
          code: '429',
          message: 'Requests have exceeded call rate limit of your current OpenAI S0 pricing tier.',
        },
      },
      'rate_limited',
    ],
    [
      429,
      { error: { code: 'RateLimitReached', message: 'Your requests have exceeded token rate limit.' } },
      'rate_limited',
    ],
    [503, { error: { code: 'NoCapacity', message: 'm' } }, 'transient'],
  ])('of Azure with status %i is understood: %j', (status, body, disposition) => {
    expect(fault(status, body)).toMatchObject({ disposition });
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

import { AegisError } from '../../../src/domain/errors.js';
import { ChatRequestPipe } from '../../../src/gateway/chat-request.pipe.js';
import { parseJsonBody } from '../../../src/gateway/json-body.parser.js';
import { makeRequestContext } from '../../support/principals.js';
import { loaded } from '../config/support.js';

const pipe = new ChatRequestPipe();
const { snapshot } = loaded({});
const accept = (value: unknown) =>
  pipe.transform({ body: parseJsonBody(Buffer.from(JSON.stringify(value))), context: makeRequestContext(snapshot) });

function refusal(value: unknown): AegisError {
  try {
    accept(value);
  } catch (error) {
    if (error instanceof AegisError) return error;
    throw error;
  }
  throw new Error('the request was accepted');
}

const hello = { model: 'aegis-fast', messages: [{ role: 'user', content: 'hello' }] };

describe('ChatRequestPipe', () => {
  it('keeps fields it does not know', () => {
    expect(accept({ ...hello, top_k: 5, chat_template_kwargs: { thinking: false } }).chat).toMatchObject({
      top_k: 5,
      chat_template_kwargs: { thinking: false },
    });
  });

  it('takes null wherever OpenAI does', () => {
    const nulls = {
      stream: null,
      tools: null,
      stop: null,
      max_tokens: null,
      response_format: null,
      stream_options: null,
    };
    expect(() => accept({ ...hello, ...nulls })).not.toThrow();
  });

  it('names every problem in one message, the way the client wrote the field', () => {
    const error = refusal({ messages: [{ role: 'king', content: 5 }], temperature: 'hot', stream: 'yes' });
    expect(error).toMatchObject({ code: 'invalid_request', status: 400 });
    for (const path of ['model', 'messages[0].role', 'messages[0].content', 'temperature', 'stream']) {
      expect(error.message).toContain(path);
    }
    expect(error.message).toContain('system, developer, user, assistant, tool, function');
  });

  it('says which field is at fault in param', () => {
    expect(refusal({ ...hello, temperature: 9 }).param).toBe('temperature');
    expect(refusal({ model: 'x' }).param).toBe('messages');
  });

  it('refuses a model name that is too long to be one, without repeating it', () => {
    const error = refusal({ ...hello, model: 'm'.repeat(1_000_000) });
    expect(error).toMatchObject({ status: 400, param: 'model' });
    expect(error.message.length).toBeLessThan(200);
  });

  it('refuses more messages than it would read, shortly', () => {
    const error = refusal({ ...hello, messages: Array.from({ length: 5_000 }, () => ({ role: 'nobody' })) });
    expect(error).toMatchObject({ status: 400, param: 'messages' });
    expect(error.message.length).toBeLessThan(200);
  });

  it('cuts a long list of problems short', () => {
    const error = refusal({ ...hello, messages: Array.from({ length: 100 }, () => ({})) });
    expect(error.message).toContain('more problems');
    expect(error.message.length).toBeLessThan(1_000);
  });
});

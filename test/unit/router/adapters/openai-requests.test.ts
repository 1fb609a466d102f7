import { scanJson } from '../../../../src/domain/json-scan.js';
import { RequestBody } from '../../../../src/domain/request-body.js';
import { screened } from '../../../support/screened-requests.js';
import { targetOf } from '../../../support/targets.js';
import { adapter } from './openai-wire.js';

describe("a request in OpenAI's format", () => {
  it("keeps the client's bytes but for the model and the usage count", () => {
    const bytes = Buffer.from(
      '{ "seed": 9007199254740993, "model":"alias" , "messages":[{"role":"user","content":"\\u00e9"}],"stream":true}',
    );
    const request = { ...screened({ stream: true }), body: new RequestBody(bytes, scanJson(bytes, 64).members) };
    const { body } = adapter.buildRequest(request, targetOf('openai'));
    expect(body.toString()).toBe(
      '{"stream_options":{"include_usage":true}, "seed": 9007199254740993, "model":"upstream-model" , "messages":[{"role":"user","content":"\\u00e9"}],"stream":true}',
    );
  });

  it('always asks for the usage of a stream, beside what the client asks for', () => {
    const options = (stream_options: { include_usage?: boolean } | null): unknown =>
      JSON.parse(adapter.buildRequest(screened({ stream: true, stream_options }), targetOf('openai')).body.toString())
        .stream_options;
    expect(options(null)).toEqual({ include_usage: true });
    expect(options({ include_usage: false })).toEqual({ include_usage: true });
    expect(options({ include_obfuscation: false } as object)).toEqual({
      include_obfuscation: false,
      include_usage: true,
    });
    const plain = JSON.parse(adapter.buildRequest(screened({}), targetOf('openai')).body.toString());
    expect(plain).not.toHaveProperty('stream_options');
  });

  it('lets no model or alias reach the address', () => {
    const { url } = adapter.buildRequest(screened({ model: '../../x?a=' }), targetOf('openai'));
    expect(url).toBe('https://upstream.test/v1/chat/completions');
  });
});

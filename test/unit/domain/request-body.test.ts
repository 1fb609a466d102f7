import fc from 'fast-check';
import { scanJson } from '../../../src/domain/json-scan.js';
import { RequestBody } from '../../../src/domain/request-body.js';

function bodyOf(text: string): RequestBody {
  const bytes = Buffer.from(text);
  return new RequestBody(bytes, scanJson(bytes, 64).members);
}

describe('a request body as it came', () => {
  it('changes what it is told to and leaves every other byte as it was', () => {
    const body = bodyOf('{ "model" : "a",\n "seed": 9007199254740993, "x": "\\u00e9" }');
    expect(body.with({ model: 'b' }).toString()).toBe('{ "model" : "b",\n "seed": 9007199254740993, "x": "\\u00e9" }');
  });

  it('adds what is not there yet', () => {
    expect(
      bodyOf('{"model":"a"}')
        .with({ model: 'b', stream_options: { include_usage: true } })
        .toString(),
    ).toBe('{"stream_options":{"include_usage":true},"model":"b"}');
    expect(bodyOf('{ }').with({ a: 1, b: 2 }).toString()).toBe('{"a":1,"b":2 }');
  });

  it('leaves a member alone whose change is undefined', () => {
    expect(bodyOf('{"a":1}').with({ a: undefined, b: undefined }).toString()).toBe('{"a":1}');
  });

  it('is the parsed object with those members set, for any object', () => {
    const object = fc.dictionary(fc.string(), fc.jsonValue());
    fc.assert(
      fc.property(object, object, (original, changes) => {
        const changed = bodyOf(JSON.stringify(original)).with(changes);
        const expected = { ...JSON.parse(JSON.stringify(original)), ...JSON.parse(JSON.stringify(changes)) };
        expect(JSON.parse(changed.toString())).toEqual(expected);
      }),
    );
  });

  it('gives the text of a member as it was sent', () => {
    const body = bodyOf('{"model":"m", "tools" : [ {"id":9007199254740993} ] , "stop":"\\u0041"}');
    expect(body.find('tools')).toBe('[ {"id":9007199254740993} ]');
    expect(body.find('stop')).toBe('"\\u0041"');
    expect(body.find('n')).toBeNull();
  });
});

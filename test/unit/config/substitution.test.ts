// biome-ignore-all lint/suspicious/noTemplateCurlyInString: ${…} is the configuration's own syntax.
import fc from 'fast-check';
import { Substitution } from '../../../src/config/substitution.js';
import { load, loaded, problemsOf } from './support.js';

const DEFINED = { NAME: 'value', EMPTY: '', NESTED: '${NAME}', PORT: '9999' };
const apply = (text: string) =>
  new Substitution(DEFINED, (path) => {
    if (path === '/run/secrets/one') return 'from a file\n';
    throw new Error('no such file');
  }).apply(text);

describe('${…} in values', () => {
  it.each([
    ['${NAME}', 'value'],
    ['a-${NAME}-${NAME}-b', 'a-value-value-b'],
    ['${NAME:default}', 'value'],
    ['${UNSET:default}', 'default'],
    ['${UNSET:}', ''],
    ['${UNSET:http://host:80/a?b}', 'http://host:80/a?b'],
    ['${EMPTY:default}', 'default'],
    ['${EMPTY}', ''],
    ['${NESTED}', '${NAME}'],
    ['$${NAME}', '${NAME}'],
    ['$NAME $ {NAME}', '$NAME $ {NAME}'],
    ['${file:/run/secrets/one}', 'from a file'],
  ])('replaces %s by %s', (written, becomes) => {
    expect(apply(written)).toMatchObject({ text: becomes, faults: [] });
  });

  it.each([
    ['${UNSET}', 'the environment variable UNSET is not set'],
    ['${NAME', 'no closing brace'],
    ['${}', 'names no environment variable'],
    ['${A B}', 'names no environment variable'],
    ['${NAME:-default}', '${NAME:default}, without the "-"'],
    ['${file:/run/secrets/two}', 'the file /run/secrets/two cannot be read'],
    ['${file:relative}', 'absolute path'],
    ['${toString}', 'toString is not set'],
  ])('refuses %s', (written, fault) => {
    expect(apply(written).faults.join()).toContain(fault);
  });

  it('gives a number where a number is asked for', () => {
    const { gateway } = loaded({ 'gateway.yaml': 'server: {port: "${PORT:8080}"}' }, { environment: DEFINED }).snapshot;
    expect(gateway.server.port).toBe(9999);
  });

  it('never lets a value add a key, whatever it holds', () => {
    const hostile = fc.oneof(
      fc.string(),
      fc.constantFrom('a\nworkers: 2', '"}, workers: 2, x: {"', '*a', '&a b', '!!js x', '${NAME}', '{a: b}', '# x'),
    );
    fc.assert(
      fc.property(hostile, (value) => {
        const models =
          'models:\n  fast:\n    display_name: "${TEXT:x}"\n    primary: {provider: house, model: llama, classification_ceiling: INTERNAL}\n';
        const result = load({ 'models.yaml': models }, { environment: { TEXT: value } });
        if (result.ok) {
          const route = result.snapshot.models.get('fast');
          expect(route?.displayName).toBe(value === '' ? 'x' : value);
          expect(route?.primaries).toHaveLength(1);
        } else {
          expect(result.problems.map(({ place }) => place.path)).toEqual(['models.fast.display_name']);
        }
      }),
    );
  });

  it('reads keys as they stand', () => {
    expect(problemsOf({ 'gateway.yaml': 'server: {"${NAME}": 1}' }, { environment: { NAME: 'port' } })).toEqual([
      'gateway.yaml:1:10 server.${NAME}: unknown key',
    ]);
  });

  it('names the secret files it read, so that they can be watched', () => {
    const providers = 'providers: {house: {type: vllm, base_url: "http://h/v1", api_key: "${file:/run/secrets/key}"}}';
    const result = loaded({ 'providers.yaml': providers }, { secrets: { '/run/secrets/key': 'sk-1\r\n' } });
    expect(result.secretFiles).toEqual(['/run/secrets/key']);
    expect(result.snapshot.providers.get('house')?.credential).toBe('sk-1');
  });
});

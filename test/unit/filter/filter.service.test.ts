import { ConsoleLogger, Logger } from '@nestjs/common';
import fc from 'fast-check';
import type { Classification } from '../../../src/domain/classification.js';
import { CLASSIFICATIONS } from '../../../src/domain/classification.js';
import { AegisError } from '../../../src/domain/errors.js';
import type { Finding } from '../../../src/domain/finding.js';
import { scanJson } from '../../../src/domain/json-scan.js';
import { silentObserver } from '../../../src/domain/observer.js';
import { RequestBody } from '../../../src/domain/request-body.js';
import type { ScreenedRequest, WellFormedRequest } from '../../../src/domain/screened-request.js';
import { FilterPipe } from '../../../src/filter/filter.pipe.js';
import { loadRules } from '../../../src/filter/rules/rule-loader.js';
import type { RequestContext } from '../../../src/request-context/request-context.js';
import { type ContextFacts, contextOf, makeService, PEM, requestOf, SECRETS, say } from './support.js';

const service = makeService();

async function refusal(work: () => unknown): Promise<AegisError> {
  try {
    await work();
  } catch (error) {
    if (error instanceof AegisError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

/** With a clock that stands still: however busy the machine is, a small request takes one slice. */
function screenNow(request: WellFormedRequest, context: RequestContext = contextOf()): ScreenedRequest {
  const clock = jest.spyOn(performance, 'now').mockReturnValue(0);
  const screened = service.screen(request, context);
  clock.mockRestore();
  if (screened instanceof Promise) throw new Error('a small request took more than one slice');
  return screened;
}

function findingsIn(chat: object): string[] {
  const { findings } = screenNow(requestOf(chat), contextOf({ action: 'flag' }));
  return findings.map(({ rule, path }) => `${rule} ${path}`);
}

describe('a request without findings', () => {
  it('goes on as it came, at once', () => {
    const request = say('What is a mutex?');
    const context = contextOf();
    const screened = screenNow(request, context);
    expect(screened).toEqual({ chat: request.chat, body: request.body, findings: [], level: 'INTERNAL' });
    expect(screened.body).toBe(request.body);
    expect(context.level).toBe('INTERNAL');
  });
});

describe('every text of a request is read', () => {
  const secret = SECRETS.github;
  const tool = (definition: object) => ({ tools: [{ type: 'function', function: { name: 'find', ...definition } }] });
  const call = (args: string) => ({
    messages: [
      { role: 'assistant', tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: args } }] },
    ],
  });

  const places: [string, object, string][] = [
    ...['system', 'developer', 'user', 'assistant', 'tool', 'function'].map((role): [string, object, string] => [
      `a ${role} message`,
      { messages: [{ role, content: `it is ${secret}.` }] },
      'messages[0].content',
    ]),
    [
      'a content part',
      { messages: [{ role: 'user', content: [{ type: 'text', text: secret }] }] },
      'messages[0].content[0].text',
    ],
    ['a name', { messages: [{ role: 'user', content: 'hi', name: secret }] }, 'messages[0].name'],
    ['a refusal', { messages: [{ role: 'assistant', refusal: secret }] }, 'messages[0].refusal'],
    [
      'an image address',
      {
        messages: [
          { role: 'user', content: [{ type: 'image_url', image_url: { url: `https://a.test/?t=${secret}` } }] },
        ],
      },
      'messages[0].content[0].image_url.url',
    ],
    [
      'a file name',
      { messages: [{ role: 'user', content: [{ type: 'file', file: { filename: secret } }] }] },
      'messages[0].content[0].file.filename',
    ],
    [
      'a text file',
      {
        messages: [
          {
            role: 'user',
            content: [
              {
                type: 'file',
                file: { file_data: `data:text/plain;base64,${Buffer.from(`# keys\n${secret}\n`).toString('base64')}` },
              },
            ],
          },
        ],
      },
      'messages[0].content[0].file.file_data',
    ],
    [
      'an SVG image',
      {
        messages: [
          {
            role: 'user',
            content: [{ type: 'image_url', image_url: { url: `data:image/svg+xml,<svg>${secret}</svg>` } }],
          },
        ],
      },
      'messages[0].content[0].image_url.url',
    ],
    ['a tool name', tool({ name: secret }), 'tools[0].function.name'],
    ['a tool description', tool({ description: secret }), 'tools[0].function.description'],
    [
      'a parameter description',
      tool({ parameters: { properties: { q: { description: secret } } } }),
      'tools[0].function.parameters.properties.q.description',
    ],
    [
      'a parameter name',
      tool({ parameters: { properties: { [secret]: { type: 'string' } } } }),
      `tools[0].function.parameters.properties.${secret}`,
    ],
    ['an enum', tool({ parameters: { enum: ['a', secret] } }), 'tools[0].function.parameters.enum[1]'],
    ['tool call arguments', call(JSON.stringify({ token: secret })), 'messages[0].tool_calls[0].function.arguments'],
    [
      'escaped tool call arguments',
      call(`{"token":"${secret.replace('g', '\\u0067')}"}`),
      'messages[0].tool_calls[0].function.arguments',
    ],
    [
      'JSON within tool call arguments',
      call(JSON.stringify({ body: JSON.stringify({ a: secret }).replace('ghp', '\\u0067hp') })),
      'messages[0].tool_calls[0].function.arguments',
    ],
    [
      'a response format',
      { response_format: { type: 'json_schema', json_schema: { name: 'x', schema: { description: secret } } } },
      'response_format.json_schema.schema.description',
    ],
    ['metadata', { metadata: { note: secret } }, 'metadata.note'],
    ['the user', { user: secret }, 'user'],
    ['a stop sequence', { stop: ['a', secret] }, 'stop[1]'],
    ['a single stop sequence', { stop: secret }, 'stop'],
    ['a field nobody knows', { vendor_extension: { deep: [{ er: secret }] } }, 'vendor_extension.deep[0].er'],
    ['the model', { model: secret }, 'model'],
  ];

  it.each(places)('in %s', (_, chat, path) => {
    const found = findingsIn(chat);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(/^github-token /);
    if (!path.includes(secret)) expect(found[0]).toBe(`github-token ${path}`);
  });

  it('and a name gives its value a meaning', () => {
    expect(findingsIn({ metadata: { aws_secret_access_key: SECRETS.awsSecret } })).toEqual([
      'aws-secret-access-key metadata.aws_secret_access_key',
    ]);
  });

  it.each<[string, object, string]>([
    ['in an array', { aws_secret_access_key: [SECRETS.awsSecret] }, 'metadata.aws_secret_access_key[0]'],
    ['in nested arrays', { aws_secret_access_key: [[SECRETS.awsSecret]] }, 'metadata.aws_secret_access_key[0][0]'],
    ['beside it', { env: [{ name: 'aws_secret_access_key', value: SECRETS.awsSecret }] }, 'metadata.env[0].value'],
    ['of a key beside it', { value: SECRETS.awsSecret, key: 'AWS_SECRET_ACCESS_KEY' }, 'metadata.value'],
  ])('and a name gives a meaning to a value %s', (_, metadata, path) => {
    expect(findingsIn({ metadata })).toEqual([`aws-secret-access-key ${path}`]);
    const { chat } = screenNow(requestOf({ metadata }), contextOf({ action: 'redact' }));
    const redacted = JSON.stringify(metadata).replace(SECRETS.awsSecret, '[REDACTED:aws-secret-access-key]');
    expect(JSON.stringify(chat.metadata)).toBe(redacted);
  });

  it('and no path shows what was matched', () => {
    const deep = { [`a ${SECRETS.github}`]: { [SECRETS.awsId]: 'x' } };
    const { findings } = screenNow(requestOf({ metadata: deep }), contextOf({ action: 'flag' }));
    expect(findings).toHaveLength(2);
    for (const { path } of findings) {
      expect(path).not.toContain(SECRETS.github);
      expect(path).not.toContain(SECRETS.awsId);
    }
  });
});

describe('a credential split in two', () => {
  const halves = (at: number) => [SECRETS.github.slice(0, at), SECRETS.github.slice(at)];

  it.each([3, 4, 20, 39])('over two parts at character %i is found', (at) => {
    const content = halves(at).map((text) => ({ type: 'text', text }));
    expect(findingsIn({ messages: [{ role: 'user', content }] })).toEqual(['github-token messages[0].content[0].text']);
  });

  it.each([' ', '\n', ' \t\r\n '])('with a blank part (%j) in between is found', (blank) => {
    const content = [SECRETS.github.slice(0, 15), blank, SECRETS.github.slice(15)].map((text) => ({
      type: 'text',
      text,
    }));
    expect(findingsIn({ messages: [{ role: 'user', content }] })).toEqual(['github-token messages[0].content[0].text']);
  });

  it("over two tool calls' arguments is found", () => {
    const [first, second] = halves(15).map((text) => ({
      id: 'a',
      type: 'function',
      function: { name: 'write', arguments: text },
    }));
    const messages = [
      { role: 'assistant', content: 'the first', tool_calls: [first] },
      { role: 'tool', tool_call_id: 'a', content: 'done' },
      { role: 'assistant', content: 'the second', tool_calls: [second] },
    ];
    expect(findingsIn({ messages })).toEqual(['github-token messages[0].tool_calls[0].function.arguments']);
  });

  it('over two messages is found', () => {
    const [first, second] = halves(15);
    expect(
      findingsIn({
        messages: [
          { role: 'user', content: `remember ${first}` },
          { role: 'user', content: `${second} and use it` },
        ],
      }),
    ).toEqual(['github-token messages[0].content']);
  });

  it('over any number of parts is found, however long its neighbours are', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 39 }), { minLength: 1, maxLength: 39 }),
        fc.constantFrom(0, 10, 1_000, 5_000),
        fc.constantFrom(0, 10, 1_000, 5_000),
        async (cuts, before, after) => {
          const places = [0, ...[...new Set(cuts)].sort((a, b) => a - b), SECRETS.github.length];
          const parts = places.slice(1).map((end, index) => SECRETS.github.slice(places[index], end));
          const texts = [`${'. '.repeat(before)} `, ...parts, ` ${'. '.repeat(after)}`];
          const content = texts.map((text) => ({ type: 'text', text }));
          const { findings } = await service.screen(say(content), contextOf({ action: 'flag' }));
          expect(findings).toHaveLength(1);
        },
      ),
    );
  });

  it('in single characters among thousands of parts is found', async () => {
    for (const filler of [0, 2_980, 32_235, 32_245, 32_255, 33_000]) {
      const texts = [
        '. '.repeat(300),
        ...Array<string>(filler).fill('.'),
        ...SECRETS.gitlab,
        ...Array<string>(40_000).fill('.'),
      ];
      const content = texts.map((text) => ({ type: 'text', text }));
      const { findings } = await service.screen(say(content), contextOf({ action: 'flag' }));
      expect(findings.map(({ rule }) => rule)).toEqual(['gitlab-token']);
    }
  });

  it('is blocked even where credentials are redacted: it cannot be cut out', async () => {
    const content = halves(15).map((text) => ({ type: 'text', text }));
    const error = await refusal(() => service.screen(say(content), contextOf({ action: 'redact' })));
    expect(error.code).toBe('content_filter');
  });
});

describe('what no text filter can read', () => {
  it('is reported as not scanned, never as clean', () => {
    const data = 'iVBORw0KGgo'.repeat(1_000);
    const found = findingsIn({
      messages: [
        {
          role: 'user',
          content: [
            { type: 'image_url', image_url: { url: `data:image/png;base64,${data}` } },
            { type: 'input_audio', input_audio: { data, format: 'wav' } },
            { type: 'file', file: { file_data: `data:application/pdf;base64,${data}` } },
            { type: 'video_url', video_url: { url: `data:video/mp4;base64,${data}` } },
          ],
        },
      ],
    });
    expect(found).toEqual([
      'unscanned-image messages[0].content[0].image_url.url',
      'unscanned-audio messages[0].content[1].input_audio.data',
      'unscanned-file messages[0].content[2].file.file_data',
      'unscanned-video messages[0].content[3].video_url.url',
    ]);
  });

  const part = (holder: object) => ({ messages: [{ role: 'user', content: [holder] }] });
  const filler = 'x '.repeat(2_500);
  it.each<[string, object]>([
    ['a message', { messages: [{ role: 'user', content: `data:image/png,${filler}${SECRETS.github}` }] }],
    ['a system prompt', { messages: [{ role: 'system', content: `DATA:VIDEO/x,${filler}${SECRETS.github}` }] }],
    ['a text part', part({ type: 'text', text: `data:image/png;base64,${'QUJD'.repeat(2_000)} ${SECRETS.github}` })],
    [
      'tool call arguments',
      {
        messages: [
          {
            role: 'assistant',
            tool_calls: [
              {
                id: 'a',
                type: 'function',
                function: { name: 'f', arguments: `data:audio/wav,${filler}${SECRETS.github}` },
              },
            ],
          },
        ],
      },
    ],
    ['metadata that is named like audio', { metadata: { input_audio: { data: `${filler}${SECRETS.github}` } } }],
    [
      'metadata that is base64',
      { metadata: { input_audio: { data: Buffer.from(`${filler}${SECRETS.github}`).toString('base64') } } },
    ],
    ['audio that is no base64', part({ type: 'input_audio', input_audio: { data: `${filler}${SECRETS.github}` } })],
    [
      'an image that is no base64',
      part({ type: 'image_url', image_url: { url: `data:image/png,${filler}${SECRETS.github}` } }),
    ],
    [
      'an image that is base64 in the beginning',
      part({
        type: 'image_url',
        image_url: { url: `data:image/png;base64,${'QUJD'.repeat(2_000)}/${SECRETS.github}` },
      }),
    ],
    [
      'a long text file',
      part({
        type: 'file',
        file: {
          file_data: `data:text/plain;base64,${Buffer.from(`${'lorem ipsum '.repeat(30_000)}${SECRETS.github}\n`).toString('base64')}`,
        },
      }),
    ],
  ])('is only real media: %s is read, whatever it begins with', async (_, chat) => {
    const { findings } = await service.screen(requestOf(chat), contextOf({ action: 'flag' }));
    expect(findings.map(({ rule }) => rule)).toContain('github-token');
  });

  it('does not stop the request', () => {
    const url = `data:image/png;base64,${'iVBORw0KGgo'.repeat(1_000)}`;
    const request = say([{ type: 'image_url', image_url: { url } }]);
    expect(screenNow(request).body).toBe(request.body);
  });
});

describe('the action block', () => {
  it('refuses with rules and paths, never with what was matched, and leaves them for the record', async () => {
    const context = contextOf();
    const error = await refusal(() => service.screen(say(`${SECRETS.github} and ${SECRETS.awsId}`), context));
    expect(error.code).toBe('content_filter');
    expect(error.status).toBe(400);
    expect(error.message).toContain('github-token at messages[0].content');
    expect(error.message).toContain('aws-access-key-id at messages[0].content');
    expect(JSON.stringify([error.message, error.toEnvelope('r'), error.findings])).not.toMatch(/ghp_|AKIA/);
    expect(error.findings?.map(({ rule }) => rule)).toEqual(['github-token', 'aws-access-key-id']);
    expect(context.findings).toEqual(error.findings);
    expect(context.level).toBe('INTERNAL');
  });

  it('names each rule once a place, and not thousands of places', async () => {
    const content = Array.from({ length: 300 }, () => ({
      type: 'text',
      text: ` ${SECRETS.github} ${SECRETS.github} `,
    }));
    const error = await refusal(() => service.screen(say(content), contextOf()));
    expect(error.findings).toHaveLength(100);
    expect(error.message.length).toBeLessThan(1_500);
  });
});

describe('the action flag', () => {
  it('notes what was found and lets the request go on unchanged', () => {
    const request = say(SECRETS.github);
    const context = contextOf({ action: 'flag' });
    const screened = screenNow(request, context);
    expect(screened.body).toBe(request.body);
    expect(screened.findings).toEqual([
      { filter: 'secrets', rule: 'github-token', path: 'messages[0].content', action: 'flag' },
    ]);
    expect(context.findings).toBe(screened.findings);
  });
});

describe('the action redact', () => {
  const redact = (chat: object) => screenNow(requestOf(chat), contextOf({ action: 'redact' }));

  it('puts a marker in the place of each credential, in the chat and in the body', () => {
    const { chat, body, findings } = redact({
      temperature: 0.5,
      messages: [{ role: 'user', content: `a ${SECRETS.github}, b ${SECRETS.awsId}.` }],
    });
    expect(chat.messages[0]?.content).toBe('a [REDACTED:github-token], b [REDACTED:aws-access-key-id].');
    expect(JSON.parse(body.bytes.toString())).toEqual(chat);
    expect(findings.map(({ action }) => action)).toEqual(['redact', 'redact']);
  });

  it('takes only the password out of a connection URL, and the whole of a private key', () => {
    const { chat } = redact({ messages: [{ role: 'user', content: `${SECRETS.database}\n${PEM}\nbye` }] });
    expect(chat.messages[0]?.content).toBe(
      'postgres://app:[REDACTED:postgres-url]@db.acme.test:5432/app\n[REDACTED:private-key]\nbye',
    );
  });

  it('renames a member whose name is a credential, in its place', () => {
    const { chat } = redact({ metadata: { first: '1', [SECRETS.github]: 'kept', last: '2' } });
    expect(Object.entries(chat.metadata as object)).toEqual([
      ['first', '1'],
      ['[REDACTED:github-token]', 'kept'],
      ['last', '2'],
    ]);
  });

  it('keeps every member where the names of several are credentials', () => {
    const names = [SECRETS.github, SECRETS.github.replace('R7', 'Q4'), '[REDACTED:github-token] 2', 'last'];
    const metadata = Object.fromEntries(names.map((name, index) => [name, String(index)]));
    expect(Object.entries(redact({ metadata }).chat.metadata as object)).toEqual([
      ['[REDACTED:github-token]', '0'],
      ['[REDACTED:github-token] 3', '1'],
      ['[REDACTED:github-token] 2', '2'],
      ['last', '3'],
    ]);
  });

  it('blocks where more members have such names than can be given others', async () => {
    const digits = Array.from({ length: 150 }, (_, index) => String(100 + index));
    const metadata = Object.fromEntries(digits.map((each) => [SECRETS.github.replace(/.{3}$/, each), each]));
    const error = await refusal(() => service.screen(requestOf({ metadata }), contextOf({ action: 'redact' })));
    expect(error.code).toBe('content_filter');
  });

  const redactBytes = (text: string) => {
    const bytes = Buffer.from(text);
    const body = new RequestBody(bytes, scanJson(bytes, 64).members);
    const screened = screenNow({ chat: JSON.parse(text), body }, contextOf({ action: 'redact' }));
    return screened.body.bytes.toString();
  };

  it('leaves the bytes of every other member as they came, big numbers too', () => {
    const [before, after] = ['{ "seed": 9007199254740993, "x":1.0e2,', ' "y":"\\u0041", "n":[1.50] } '];
    const messages = (content: string) => `"messages": ${JSON.stringify([{ role: 'user', content }])},`;
    const redacted = redactBytes(before + messages(`it is ${SECRETS.github}.`) + after);
    expect(redacted).toBe(before + messages('it is [REDACTED:github-token].') + after);
  });

  it('takes a credential out of the name of a member of the body', () => {
    const redacted = redactBytes(`{"messages":[],"${SECRETS.github}":1}`);
    expect(JSON.parse(redacted)).toEqual({ messages: [], '[REDACTED:github-token]': 1 });
  });

  it('takes out what is encoded', () => {
    const encoded = Buffer.from(`token is ${SECRETS.github} ok`).toString('base64');
    const { chat } = redact({ messages: [{ role: 'user', content: `see ${encoded}` }] });
    const left = String(chat.messages[0]?.content).replace('[REDACTED:github-token]', ' ');
    expect(left).not.toBe(`see ${encoded}`);
    expect(Buffer.from(left.split(' ')[1] ?? '', 'base64').toString()).not.toContain('ghp_R7tK2m');
  });

  it('leaves JSON in tool call arguments JSON, whatever stands around the credential', () => {
    const secret = fc.constantFrom(SECRETS.github, SECRETS.awsId, SECRETS.database, SECRETS.gitlab, PEM);
    const wrapped = fc
      .tuple(fc.string(), secret, fc.string())
      .map(([before, each, after]) => `${before} ${each} ${after}`);
    const tree = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 3 },
        wrapped,
        fc.string(),
        fc.integer(),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(fc.string(), tie('value'), { maxKeys: 3 }),
        wrapped.map((each) => JSON.stringify({ inner: each })),
      ),
    })).value;
    fc.assert(
      fc.property(tree, (value) => {
        const args = JSON.stringify({ value });
        const chat = {
          messages: [
            {
              role: 'assistant',
              tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: args } }],
            },
          ],
        };
        const result = redact(chat).chat.messages[0]?.tool_calls?.[0]?.function.arguments ?? '';
        JSON.parse(result);
        expect(result).not.toMatch(/ghp_R7tK2m|AKIAQ3EG|Tr0ub4|glpat-Zk4w|MIIEpAIBAAK/);
      }),
      { numRuns: 200 },
    );
  });

  it('blocks where the arguments would no longer be JSON', async () => {
    const args = `{"datadog_api_key": ${'12345678901234567890123456789012'.replace(/1$/, '7')}, "twilio_auth_token": 98765432109876543210987654321098}`;
    const chat = {
      messages: [
        { role: 'assistant', tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: args } }] },
      ],
    };
    const error = await refusal(() => service.screen(requestOf(chat), contextOf({ action: 'redact' })));
    expect(error.code).toBe('content_filter');
    expect(error.findings?.[0]?.path).toBe('messages[0].tool_calls[0].function.arguments');
  });

  it('survives lone surrogates and NUL', () => {
    const { chat } = redact({ messages: [{ role: 'user', content: `\ud800 \u0000 ${SECRETS.github} \udc00` }] });
    expect(chat.messages[0]?.content).toBe('\ud800 \u0000 [REDACTED:github-token] \udc00');
  });
});

describe('the level of a request', () => {
  const raising = (level: Classification): ContextFacts['rules'] => {
    const { rules, problems } = loadRules(
      `rules:
  - {id: project-name, vendor: Acme, type: name, severity: low, action: {raise_to: ${level}}, anchors: [Falcon],
     pattern: 'Falcon-[0-9]{2}', max_length: 9, examples: {positive: [Falcon-12]}}`,
      'secrets',
    );
    expect(problems).toEqual([]);
    return { secrets: rules };
  };

  const cases: [Classification, Classification | null, Classification | null, Classification][] = [
    ['INTERNAL', null, null, 'INTERNAL'],
    ['PUBLIC', null, null, 'PUBLIC'],
    ['INTERNAL', 'CONFIDENTIAL', null, 'CONFIDENTIAL'],
    ['INTERNAL', 'PUBLIC', null, 'INTERNAL'],
    ['CONFIDENTIAL', 'INTERNAL', null, 'CONFIDENTIAL'],
    ['INTERNAL', null, 'RESTRICTED', 'RESTRICTED'],
    ['INTERNAL', 'CONFIDENTIAL', 'RESTRICTED', 'RESTRICTED'],
    ['INTERNAL', 'RESTRICTED', 'CONFIDENTIAL', 'RESTRICTED'],
    ['RESTRICTED', null, 'PUBLIC', 'RESTRICTED'],
  ];

  it.each(cases)('from %s by default, %s asked for and %s found is %s', (lowest, requested, raised, expected) => {
    const rules = raising(raised ?? 'PUBLIC');
    const context = contextOf({ lowest, requested, ...(rules && { rules }) });
    const screened = service.screen(say(raised ? 'on Falcon-12, please' : 'hello there'), context);
    expect(screened).toMatchObject({ level: expected });
    expect(context.level).toBe(expected);
  });

  it.each(CLASSIFICATIONS)('above what the key may send (%s) is refused, naming the level', async (highest) => {
    for (const requested of CLASSIFICATIONS) {
      const facts: ContextFacts = { lowest: 'PUBLIC', highest, requested };
      const context = contextOf(facts);
      if (CLASSIFICATIONS.indexOf(requested) <= CLASSIFICATIONS.indexOf(highest)) {
        expect(screenNow(say('hello there'), context).level).toBe(requested);
        continue;
      }
      const error = await refusal(() => service.screen(say('hello there'), context));
      expect([error.code, error.status]).toEqual(['classification_denied', 403]);
      expect(error.message).toContain(requested);
      expect(context.level).toBe(requested);
    }
  });

  it('is decided also where the filter is switched off', async () => {
    const off = contextOf({ enabled: false, requested: 'CONFIDENTIAL' });
    expect(screenNow(say(SECRETS.github), off)).toMatchObject({ level: 'CONFIDENTIAL', findings: [] });
    const error = await refusal(() =>
      service.screen(say('x'), contextOf({ enabled: false, requested: 'RESTRICTED', highest: 'INTERNAL' })),
    );
    expect(error.code).toBe('classification_denied');
  });

  it('names what raised it above what the key may send', async () => {
    const rules = raising('RESTRICTED');
    const context = contextOf({ highest: 'INTERNAL', ...(rules && { rules }) });
    const error = await refusal(() => service.screen(say('about Falcon-12'), context));
    expect(error).toMatchObject({
      code: 'classification_denied',
      param: 'messages[0].content',
      message: expect.stringContaining('project-name at messages[0].content'),
      findings: [expect.objectContaining({ rule: 'project-name' })],
    });
  });
});

describe('a filter that fails', () => {
  beforeAll(() => Logger.overrideLogger(false));
  afterAll(() => Logger.overrideLogger(new ConsoleLogger()));

  it('refuses the request, counts it, and tells the client nothing of it', async () => {
    const acted: string[] = [];
    const broken = makeService({
      ...silentObserver,
      filterActed: (filter, rule, action) => void acted.push(`${filter} ${rule} ${String(action)}`),
    });
    const context = contextOf();
    (context.snapshot.documents as Map<string, unknown>).delete('secret-rules.yaml');
    const error = await refusal(() => broken.screen(say('What is a mutex?'), context));
    expect([error.code, error.status]).toEqual(['internal_error', 500]);
    expect(error.message).not.toContain('rules');
    expect(acted).toEqual(['engine filter-failed block']);
    expect(context.findings.map(({ rule }) => rule)).toEqual(['filter-failed']);
  });

  it('refuses a request that nobody answers for', async () => {
    const context = contextOf();
    context.principal = null;
    expect((await refusal(() => service.screen(say('hello there'), context))).code).toBe('internal_error');
  });

  it('refuses a request that takes too much work', async () => {
    const costly = `  - {id: costly, vendor: Acme, type: key, severity: low, source: "https://acme.test/", anchors: [acme-],
     pattern: 'acme-[0-9]{3}', max_length: 8, context: {words: [badge], within: 4000}, examples: {positive: ['badge acme-482']}}`;
    const { rules, problems } = loadRules(`rules:\n${costly}`, 'secrets');
    expect(problems).toEqual([]);
    const context = contextOf({ rules: { secrets: rules } });
    const error = await refusal(() => service.screen(say('acme-482 '.repeat(20_000)), context));
    expect(error.code).toBe('content_filter');
    expect(error.findings).toEqual([
      { filter: 'engine', rule: 'scan-budget-exceeded', path: 'messages', action: 'block' },
    ]);
    expect(context.findings).toEqual(error.findings);
  });

  it('refuses a body too deep to walk instead of losing its stack', async () => {
    let deep: unknown = SECRETS.github;
    for (let level = 0; level < 100_000; level++) deep = [deep];
    const request = say('hello there');
    const error = await refusal(() => service.screen({ ...request, chat: { ...request.chat, deep } }, contextOf()));
    expect(error.code).toBe('invalid_request');
  });
});

describe('a long request', () => {
  const long = `${'lorem ipsum dolor sit amet '.repeat(200_000)} ${SECRETS.github}`;

  it('is searched to its end while others have their turn', async () => {
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    const error = await refusal(() => service.screen(say(long), contextOf()));
    clearInterval(timer);
    expect(error.findings?.map(({ rule }) => rule)).toEqual(['github-token']);
    expect(turns).toBeGreaterThan(2);
  });

  it('is given up when the client leaves', async () => {
    const client = new AbortController();
    const screened = service.screen(say(long), contextOf({ signal: client.signal }));
    client.abort();
    expect((await refusal(() => screened)).code).toBe('client_closed_request');
  });
});

describe('what is reported', () => {
  it('is each finding, by rule and action', () => {
    const acted: [string, string, Finding['action']][] = [];
    const observed = makeService({
      ...silentObserver,
      filterActed: (filter, rule, action) => void acted.push([filter, rule, action]),
    });
    observed.screen(
      say([
        { type: 'text', text: SECRETS.github },
        { type: 'text', text: ` ${SECRETS.awsId}` },
      ]),
      contextOf({ action: 'flag' }),
    );
    expect(acted).toEqual([
      ['secrets', 'github-token', 'flag'],
      ['secrets', 'aws-access-key-id', 'flag'],
    ]);
  });
});

describe('the pipe', () => {
  const pipe = new FilterPipe(service);

  it('screens with the context of its request', async () => {
    const context = contextOf({ requested: 'CONFIDENTIAL' });
    const screened = await pipe.transform({ ...say('hello there'), context });
    expect(screened.level).toBe('CONFIDENTIAL');
  });
});

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import OpenAI, { APIError } from 'openai';
import { SnapshotService } from '../../src/config/snapshot.service.js';
import { startTestGateway, type TestConfig, type TestGateway } from '../support/gateway.js';
import { completionAnswer, ScriptableUpstream, streamAnswer } from '../support/scriptable-upstream.js';

const MARKER = /\[\[AEGIS:[A-Z0-9_]+:[0-9a-f]{12}\]\]/;
/** A rule that nothing else is a match of. */
const badgeRules = (...ids: string[]): string =>
  `rules:\n${ids
    .map(
      (id) => `  - {id: ${id}, vendor: Acme, type: badge, severity: high, source: "https://acme.test/",
     anchors: [${id.toUpperCase()}-], pattern: '${id.toUpperCase()}-[0-9]{6}', max_length: 20, examples: {positive: [${id.toUpperCase()}-482913]}}\n`,
    )
    .join('')}`;

interface Sent {
  readonly messages: readonly { readonly content: string }[];
}

describe('what filters do to requests', () => {
  let outside: ScriptableUpstream;
  let house: ScriptableUpstream;
  let gateway: TestGateway;
  let replica: TestGateway;

  const configOf = (filters: object, rules?: Record<string, string>): TestConfig => ({
    gateway: { filters },
    providers: {
      outside: { type: 'openai', base_url: `${outside.url}/v1`, api_key: 'credential' },
      house: { type: 'vllm', base_url: `${house.url}/v1` },
    },
    models: {
      alias: {
        primary: { provider: 'outside', model: 'm', classification_ceiling: 'INTERNAL' },
        fallback: [{ provider: 'house', model: 'm', classification_ceiling: 'RESTRICTED' }],
      },
    },
    freeModels: ['outside/m', 'house/m'],
    ...(rules && { rules }),
  });

  beforeAll(async () => {
    outside = await ScriptableUpstream.start();
    house = await ScriptableUpstream.start();
    gateway = await startTestGateway(configOf({}));
    replica = await startTestGateway(configOf({ personal_data: { enabled: true } }));
  });
  afterAll(async () => {
    await gateway.close();
    await replica.close();
    await outside.close();
    await house.close();
  });

  const use = async (filters: object, rules?: Record<string, string>): Promise<void> => {
    expect(await gateway.reload(configOf(filters, rules))).not.toBe('rejected');
  };

  async function ask(content: unknown, headers: Record<string, string> = {}, at = gateway): Promise<string> {
    const messages = [{ role: 'user' as const, content: content as string }];
    const answer = await at.openai().chat.completions.create({ model: 'alias', messages }, { headers });
    return answer.choices[0]?.message.content ?? '';
  }

  async function refusal(work: Promise<unknown>): Promise<APIError> {
    const fault: unknown = await work.then(
      () => new Error('it was not refused'),
      (error: unknown) => error,
    );
    if (!(fault instanceof APIError)) throw fault;
    return fault;
  }

  const lastSent = (upstream: ScriptableUpstream): Sent => upstream.requests.at(-1)?.json() as Sent;

  describe('raise_to', () => {
    it('sends a prompt with personal data to the model in the house instead of refusing it', async () => {
      await use({ personal_data: { enabled: true, action: 'raise', raise_to: 'CONFIDENTIAL' } });
      outside.script(completionAnswer('from outside'));
      house.script(completionAnswer('from the house'));
      expect(await ask('What is a mutex?')).toBe('from outside');
      expect(await ask('Write to ada.lovelace@analytical.org about it.')).toBe('from the house');
      expect(lastSent(house).messages[0]?.content).toContain('ada.lovelace@analytical.org');
    });
  });

  describe('pseudonymize', () => {
    const VALUE = 'ada.lovelace@analytical.org';

    it('gives a value the same name in every turn and on every replica, and puts it back', async () => {
      await use({ personal_data: { enabled: true } });
      outside.script(completionAnswer('hello'));
      await ask(`Write to ${VALUE}, please.`);
      const marker = MARKER.exec(lastSent(outside).messages[0]?.content ?? '')?.[0] ?? 'none';
      expect(lastSent(outside).messages[0]?.content).toBe(`Write to ${marker}, please.`);

      outside.script(completionAnswer(`I wrote to ${marker}.`));
      const first = await ask(`Write to ${VALUE}, please.`);
      expect(first).toBe(`I wrote to ${VALUE}.`);

      const turns: OpenAI.ChatCompletionMessageParam[] = [
        { role: 'user', content: `Write to ${VALUE}, please.` },
        { role: 'assistant', content: first },
        { role: 'user', content: `Was that ${VALUE} or grace.hopper@navy.mil?` },
      ];
      for (const at of [gateway, replica]) {
        outside.script(completionAnswer(`It was ${marker}.`));
        const second = await at.openai().chat.completions.create({ model: 'alias', messages: turns });
        const sent = lastSent(outside).messages.map(({ content }) => content);
        expect(sent[0]).toBe(`Write to ${marker}, please.`);
        expect(sent[1]).toBe(`I wrote to ${marker}.`);
        expect(sent[2]).toMatch(new RegExp(`^Was that ${MARKER.source} or ${MARKER.source}\\?$`));
        expect(second.choices[0]?.message.content).toBe(`It was ${VALUE}.`);
      }
    });

    it('puts it back into a stream, however the marker is cut', async () => {
      await use({ personal_data: { enabled: true } });
      outside.script(completionAnswer('hello'));
      await ask(`Write to ${VALUE}.`);
      const marker = MARKER.exec(lastSent(outside).messages[0]?.content ?? '')?.[0] ?? 'none';
      outside.script(streamAnswer(['I wrote to ', ...marker, ' just', ' now']));
      const stream = await gateway.openai().chat.completions.create({
        model: 'alias',
        stream: true,
        messages: [{ role: 'user', content: `Write to ${VALUE}.` }],
      });
      let text = '';
      for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
      expect(text).toBe(`I wrote to ${VALUE} just now`);
    });

    it('trusts no marker the client wrote', async () => {
      await use({ personal_data: { enabled: true } });
      outside.script(completionAnswer('hello'));
      await ask(`Write to ${VALUE}.`);
      const marker = MARKER.exec(lastSent(outside).messages[0]?.content ?? '')?.[0] ?? 'none';
      outside.script(completionAnswer(`Is it ${marker}?`));
      expect(await ask(`Who is ${marker}?`)).toBe(`Is it ${marker}?`);
      expect(await ask(`Who is ${marker}, and who is ${VALUE}?`)).toBe(`Is it ${marker}?`);
      expect(lastSent(outside).messages[0]?.content).not.toMatch(VALUE);
    });
  });

  describe('overrides', () => {
    it('hold for their rules, at their levels and in their direction', async () => {
      await use(
        {
          secrets: { action: 'flag' },
          overrides: [
            { rules: ['badge'], levels: ['INTERNAL'], direction: 'request', action: 'block' },
            { rules: ['bad*'], direction: 'request', action: 'redact' },
          ],
        },
        { 'secret-rules.yaml': badgeRules('badge', 'card') },
      );
      outside.script(completionAnswer('hello'));
      house.script(completionAnswer('hello'));
      const { error, status } = await refusal(ask('my badge is BADGE-482913'));
      expect(status).toBe(400);
      expect(error).toMatchObject({
        code: 'content_filter',
        findings: [{ filter: 'secrets', rule: 'badge', path: 'messages[0].content', pointer: '/messages/0/content' }],
      });
      expect(JSON.stringify(error)).not.toContain('482913');
      await ask('my badge is BADGE-482913', { 'X-Aegis-Classification': 'CONFIDENTIAL' });
      expect(lastSent(house).messages[0]?.content).toBe('my badge is [REDACTED:badge]');
      await ask('my card is CARD-482913');
      expect(lastSent(outside).messages[0]?.content).toBe('my card is CARD-482913');
    });

    it('that name what is not there are refused with their place, and change nothing', async () => {
      await use({}, { 'secret-rules.yaml': badgeRules('badge') });
      const wrong = { overrides: [{ rules: ['bagde'], levels: ['HIGH'], action: 'off' }] };
      expect(await gateway.reload(configOf(wrong, { 'secret-rules.yaml': badgeRules('badge') }))).toBe('rejected');
      const { lastError } = gateway.gateway.app.get(SnapshotService).status;
      expect(lastError).toMatch(
        /gateway\.yaml:\d+:\d+ filters\.overrides\[0\]\.rules\[0\]: no such rule \(did you mean "badge"\?\)/,
      );
      expect(lastError).toMatch(/filters\.overrides\[0\]\.levels\[0\]: must be one of/);
      expect((await refusal(ask('BADGE-482913'))).status).toBe(400);
    });
  });

  describe('media that nothing can read', () => {
    const picture = [
      { type: 'text', text: 'What is this?' },
      { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=' } },
    ];

    it.each([
      ['flag', 200],
      ['allow', 200],
      ['block', 400],
    ])('with %s answer %i', async (unscanned_media, status) => {
      await use({ unscanned_media });
      outside.script(completionAnswer('a picture'));
      const outcome = await ask(picture).then(
        () => 200,
        (error: APIError) => error,
      );
      if (typeof outcome === 'number') return expect(outcome).toBe(status);
      expect(outcome.status).toBe(status);
      expect(outcome.error).toMatchObject({
        findings: [{ filter: 'media', rule: 'unscanned-image', pointer: '/messages/0/content/1/image_url/url' }],
      });
    });
  });

  describe('rules that change', () => {
    const write = (text: string): void => writeFileSync(join(gateway.configDirectory, 'secret-rules.yaml'), text);
    const reload = () => gateway.gateway.app.get(SnapshotService).reload('signal');

    it('hold for the next request under load; a broken file changes nothing and says why', async () => {
      await use({}, { 'secret-rules.yaml': badgeRules('badge') });
      outside.script(completionAnswer('hello'));
      let stopped = false;
      const statuses: number[] = [];
      const load = Array.from({ length: 4 }, async () => {
        while (!stopped) {
          statuses.push(
            await ask('nothing to see here').then(
              () => 200,
              (error: APIError) => error.status ?? 0,
            ),
          );
        }
      });
      expect(await ask('CARD-482913')).toBe('hello');

      write(badgeRules('badge', 'card'));
      expect(await reload()).toBe('applied');
      expect((await refusal(ask('CARD-482913'))).status).toBe(400);

      write(badgeRules('badge', 'card').replaceAll('max_length: 20', 'max_length: 2'));
      expect(await reload()).toBe('rejected');
      const { lastError } = gateway.gateway.app.get(SnapshotService).status;
      expect(lastError).toMatch(/secret-rules\.yaml:\d+: badge: .*max_length/);
      expect(lastError).toMatch(/secret-rules\.yaml:\d+: card: .*max_length/);
      expect((await refusal(ask('CARD-482913'))).status).toBe(400);

      write(badgeRules('badge'));
      expect(await reload()).toBe('applied');
      expect(await ask('CARD-482913')).toBe('hello');
      stopped = true;
      await Promise.all(load);
      expect(new Set(statuses)).toEqual(new Set([200]));
    });

    it('leave a request in flight with those it began with', async () => {
      await use({ secrets: { action: 'redact' } }, { 'secret-rules.yaml': badgeRules('badge') });
      outside.script({ ...completionAnswer('hello'), delayMs: 300 });
      const asked = ask('my badge is BADGE-482913');
      while (!outside.requests.at(-1)?.body.includes('[REDACTED:badge]'))
        await new Promise((done) => setTimeout(done, 5));
      write(badgeRules('hello'));
      expect(await reload()).toBe('applied');
      expect(await asked).toBe('hello');
    });

    it('are found by themselves', async () => {
      await use({}, { 'secret-rules.yaml': badgeRules('badge') });
      outside.script(completionAnswer('hello'));
      const changed = new Promise((done) => gateway.gateway.app.get(SnapshotService).changes$.subscribe(done));
      write(badgeRules('badge', 'card'));
      await changed;
      expect((await refusal(ask('CARD-482913'))).status).toBe(400);
    });
  });
});

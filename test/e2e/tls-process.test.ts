import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { waitUntil } from '../integration/auth/replica.js';
import { CertificateAuthority } from '../support/certificates.js';
import { serialOf, TlsFolder } from '../support/tls-files.js';
import { WorkerGateway } from '../support/worker-gateway.js';

const WORKERS = 3;

describe('several workers with a certificate', () => {
  let files: TlsFolder;
  let gateway: WorkerGateway;
  let trusting: Agent;
  beforeAll(async () => {
    files = new TlsFolder();
    trusting = new Agent({ pipelining: 0, connect: { ca: files.authority.cert } });
    const tls = { cert_file: files.certFile, key_file: files.keyFile };
    gateway = await WorkerGateway.start({ workers: WORKERS, gateway: { server: { tls } } });
  });
  afterAll(async () => {
    await trusting.destroy();
    await gateway.close();
    files.remove();
  });

  it('serve all of them over TLS', async () => {
    expect(gateway.url).toMatch(/^https:/);
    const answers = await gateway.askMany(30, {}, { dispatcher: trusting });
    expect(answers.map(({ status }) => status)).toEqual(Array(30).fill(200));
    expect(await gateway.metric('aegis_tls_certificate_rejected')).toBe(0);
  });

  it('take a new certificate up, each of them', async () => {
    const before = await serialOf(gateway.url, files.authority.cert);
    files.swap(files.authority.issue({ endsInMs: 3_600_000 }));
    // Whoever is asked: none shows the old one any more.
    await waitUntil(async () => {
      const shown = await Promise.all(
        Array.from({ length: 4 * WORKERS }, () => serialOf(gateway.url, files.authority.cert)),
      );
      return !shown.includes(before);
    }, 30_000);
  });
});

describe('a start with a certificate that cannot serve', () => {
  it.each([1, 2])('says which file is wrong and exits 1, and nothing of any key, with %i workers', async (workers) => {
    const files = new TlsFolder();
    const foreign = new CertificateAuthority().issue();
    files.write({ key: foreign.key });
    const tls = { cert_file: files.certFile, key_file: files.keyFile };
    const gateway = await WorkerGateway.start({ workers, isStarted: false, gateway: { server: { tls } } });
    try {
      const refused = gateway.begin();
      expect(await refused.exited).toBe(1);
      expect(refused.output()).toContain(`${files.keyFile}: is not the key of the certificate in ${files.certFile}`);
      files.write({ key: `not a key: ${foreign.key.replaceAll('-', '')}` });
      const unreadable = gateway.begin();
      expect(await unreadable.exited).toBe(1);
      expect(unreadable.output()).toContain(`${files.keyFile}: must hold a private key in PEM`);
      for (const { output } of [refused, unreadable]) {
        for (const line of foreign.key.split('\n').slice(1, -2)) expect(output()).not.toContain(line);
      }
    } finally {
      await gateway.close();
      files.remove();
    }
  });
});

describe('metrics that ask for a token', () => {
  const TOKEN = 'a token of at least sixteen bytes';

  it.each([1, 2])('are told to nobody else, and go by a token that was replaced, with %i workers', async (workers) => {
    const files = new TlsFolder();
    const tokenFile = join(files.folder, 'token');
    writeFileSync(tokenFile, `${TOKEN}\n`);
    const telemetry = { metrics_token: `\${file:${tokenFile}}` };
    const gateway = await WorkerGateway.start({ workers, isStarted: false, gateway: { telemetry } });
    const read = async (authorization?: string, path = '') => {
      const headers = authorization === undefined ? {} : { authorization };
      const answer = await request(`${gateway.metricsUrl}${path}`, { headers });
      return { status: answer.statusCode, body: await answer.body.text(), headers: answer.headers };
    };
    try {
      await gateway.spawn();
      for (const wrong of [
        undefined,
        '',
        'Bearer',
        `Bearer ${TOKEN}x`,
        `Basic ${TOKEN}`,
        TOKEN,
        `Bearer ${TOKEN.slice(1)}`,
      ]) {
        const refused = await read(wrong);
        expect(refused.status).toBe(401);
        expect(refused.headers['www-authenticate']).toBe('Bearer');
        expect(refused.body).not.toContain('aegis_');
      }
      expect((await read(undefined, '/other')).status).toBe(401);
      expect((await read(`Bearer ${TOKEN}`)).body).toContain('aegis_build_info');
      writeFileSync(tokenFile, 'another token, as long as it must be');
      await waitUntil(async () => (await read('Bearer another token, as long as it must be')).status === 200);
      expect((await read(`Bearer ${TOKEN}`)).status).toBe(401);
      expect(gateway.process.output()).not.toContain(TOKEN);
    } finally {
      await gateway.close();
      files.remove();
    }
  });
});

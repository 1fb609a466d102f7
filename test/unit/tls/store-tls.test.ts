import { createPrivateKey, X509Certificate } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { StoreTls } from '../../../src/tls/store-tls.js';
import { TlsFolder } from '../../support/tls-files.js';

Logger.overrideLogger(false);

describe('TLS towards a store', () => {
  it('hands a driver that copies it one pair that fits, though the files change meanwhile, and the next one then', async () => {
    const files = new TlsFolder();
    try {
      const { certFile, keyFile, caFile } = files;
      const live = new StoreTls('Redis', { certFile, keyFile, caFile, serverName: '' }).asLiveOptions();
      const copy = () => {
        const { cert } = live;
        files.swap(files.authority.issue());
        return { cert: new X509Certificate(String(cert)), key: createPrivateKey(String(live.key)) };
      };
      const before = copy();
      expect(before.cert.checkPrivateKey(before.key)).toBe(true);
      await Promise.resolve();
      const after = copy();
      expect(after.cert.checkPrivateKey(after.key)).toBe(true);
      expect(after.cert.serialNumber).not.toBe(before.cert.serialNumber);
    } finally {
      files.remove();
    }
  });
});

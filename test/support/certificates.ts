import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

/** A certificate and its key, in PEM. */
export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

export interface CertificateOptions {
  /** DNS names it is for, besides the address 127.0.0.1; `localhost` unless told. */
  readonly names?: readonly string[];
  /** When it ends, in milliseconds from now; a day unless told. */
  readonly endsInMs?: number;
}

const DAY_MS = 86_400_000;
/** Of certificates and of authorities: two of the same name would be taken for one. */
let serial = 0;
const LOOPBACK = der(0x87, Buffer.from([127, 0, 0, 1]));

/** Vouches for certificates. Made on the spot, so that no key lies in the repository. */
export class CertificateAuthority {
  private readonly keys = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  private readonly name = nameOf(`Test authority ${++serial}`);
  readonly cert = issue(
    this.name,
    this.name,
    this.keys,
    this.keys.privateKey,
    // basicConstraints: an authority.
    extension('551d13', sequence(der(0x01, Buffer.from([0xff])))),
    DAY_MS,
  ).cert;

  issue({ names = ['localhost'], endsInMs = DAY_MS }: CertificateOptions = {}): Certificate {
    const keys = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    return issue(nameOf(names[0] ?? ''), this.name, keys, this.keys.privateKey, alternativesOf(names), endsInMs);
  }
}

/** A certificate for `localhost` that vouches for itself. */
export function makeSelfSignedCertificate(): Certificate {
  const keys = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const name = nameOf('localhost');
  return issue(name, name, keys, keys.privateKey, alternativesOf(['localhost']), DAY_MS);
}

function issue(
  subject: Buffer,
  issuer: Buffer,
  { publicKey, privateKey }: { readonly publicKey: KeyObject; readonly privateKey: KeyObject },
  signedWith: KeyObject,
  extensions: Buffer,
  endsInMs: number,
): Certificate {
  const algorithm = sequence(der(0x06, Buffer.from('2a8648ce3d040302', 'hex')));
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.from([1, ++serial])),
    algorithm,
    issuer,
    sequence(utcTime(-2 * DAY_MS), utcTime(endsInMs)),
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(extensions)),
  );
  const signature = der(0x03, Buffer.concat([Buffer.from([0]), sign('sha256', body, signedWith)]));
  const certificate = sequence(body, algorithm, signature).toString('base64');
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${certificate.replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`,
  };
}

function nameOf(commonName: string): Buffer {
  return sequence(der(0x31, sequence(der(0x06, Buffer.from('550403', 'hex')), der(0x0c, Buffer.from(commonName)))));
}

function alternativesOf(names: readonly string[]): Buffer {
  return extension('551d11', sequence(...names.map((name) => der(0x82, Buffer.from(name))), LOOPBACK));
}

function extension(identifier: string, content: Buffer): Buffer {
  return sequence(der(0x06, Buffer.from(identifier, 'hex')), der(0x04, content));
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return der(0x30, Buffer.concat(parts));
}

function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const header =
    length < 128 ? [tag, length] : length < 256 ? [tag, 0x81, length] : [tag, 0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from(header), content]);
}

function utcTime(fromNowMs: number): Buffer {
  const text = new Date(Date.now() + fromNowMs).toISOString().replace(/[-:T]/g, '').slice(2, 14);
  return der(0x17, Buffer.from(`${text}Z`));
}

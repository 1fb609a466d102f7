import { Choice, Text } from './setting.js';

const FILE = { pattern: /^$|^\/\S*[^/\s]$/, mustBe: 'empty, or the absolute path of a file' } as const;

/** TLS of the main listener. */
export class ListenerTlsConfig {
  /** Empty: plain HTTP. */
  @Text({
    about: 'Certificate (PEM, with its chain) that clients are shown; empty: plain HTTP.',
    restart: true,
    ...FILE,
  })
  certFile = '';

  @Text({ about: "The certificate's private key (PEM, not encrypted).", restart: true, ...FILE })
  keyFile = '';

  @Text({ about: "Authorities (PEM) that clients' certificates must come from.", restart: true, ...FILE })
  clientCaFile = '';

  @Choice({
    about: 'Whether clients need a certificate: none; request: all but the probes; require: every connection.',
    restart: true,
    choices: ['none', 'request', 'require'],
  })
  clientAuth: 'none' | 'request' | 'require' = 'none';

  @Choice({ about: 'The oldest version of TLS that is spoken.', restart: true, choices: ['TLSv1.2', 'TLSv1.3'] })
  minVersion: 'TLSv1.2' | 'TLSv1.3' = 'TLSv1.2';
}

/** TLS towards a store. */
export class StoreTlsConfig {
  /** Empty: the authorities that Node comes with. */
  @Text({
    about: "Authorities (PEM) that the server's certificate must come from; empty: the public ones.",
    restart: true,
    ...FILE,
  })
  caFile = '';

  @Text({ about: 'Certificate (PEM) that AEGIS shows; empty: none.', restart: true, ...FILE })
  certFile = '';

  @Text({ about: "That certificate's private key (PEM, not encrypted).", restart: true, ...FILE })
  keyFile = '';

  /** Empty: the host of the address. */
  @Text({
    about: "Name that the server's certificate must be for; empty: the host it is reached by.",
    restart: true,
    pattern: /^\S*$/,
    mustBe: 'empty, or a host name',
  })
  serverName = '';
}

import type { MetricDefinition } from './metric-definition.js';

/** Of the main listener, where it speaks TLS. */
export const TLS_METRICS = {
  certificateNotAfter: {
    kind: 'gauge',
    name: 'aegis_tls_certificate_not_after_timestamp_seconds',
    together: 'min',
    help: 'When the certificate ends that clients are shown, in seconds since 1970. 0 where the listener speaks plain HTTP.',
    labelNames: [],
  },
  certificateRejected: {
    kind: 'gauge',
    name: 'aegis_tls_certificate_rejected',
    together: 'max',
    help: "1 while the listener's certificate files are not valid and the last good ones go on serving, else 0.",
    labelNames: [],
  },
  handshakeFailures: {
    kind: 'counter',
    name: 'aegis_tls_handshake_failures_total',
    help: 'Connections to the listener that never came to speak TLS, by why.',
    labelNames: ['reason'],
  },
} as const satisfies Record<string, MetricDefinition>;

import { dashboard, lines, REPLICA, row, states } from '../layout.mjs';
import { DEPENDENCY_NAMES, DEPENDENCY_STATE, REPLICAS, rate } from '../queries.mjs';

export default dashboard({
  uid: 'aegis-stores',
  title: 'AEGIS: stores and journal',
  about: 'PostgreSQL, Redis, the journal between them and the requests, the configuration, and the processes.',
  choices: [REPLICA],
  panels: [
    row('Stores'),
    states('PostgreSQL and Redis', {
      about: 'As each replica sees them. degraded: served without it; down: not served. No Redis, no line.',
      states: DEPENDENCY_NAMES,
      queries: [[DEPENDENCY_STATE, '{{dependency}} {{instance}}']],
    }),
    states('Journal', {
      about:
        'Whether usage can be recorded. Where it cannot, requests are refused or, with on_failure: open, not accounted for.',
      states: { 0: ['not writable', 'red'], 1: ['writable', 'green'] },
      queries: [[`aegis_journal_writable{${REPLICAS}}`, '{{instance}}']],
    }),
    row('Journal'),
    lines('Waiting for PostgreSQL', {
      about: 'Usage records in the journal that are not in the ledger yet. Near zero unless PostgreSQL is away.',
      queries: [[`aegis_journal_depth{${REPLICAS}}`, '{{instance}}']],
    }),
    lines('Size on disk', {
      about: 'And how large it may grow (accounting.max_journal).',
      unit: 'bytes',
      queries: [
        [`aegis_journal_bytes{${REPLICAS}}`, '{{instance}}'],
        [`aegis_journal_limit_bytes{${REPLICAS}}`, '{{instance}} limit'],
      ],
    }),
    lines('Recorded and shipped', {
      about: 'The same in the long run. Shipped ahead: a backlog is being worked off.',
      unit: 'cps',
      queries: [
        [`sum(${rate(`aegis_journal_records_total{${REPLICAS}}`)})`, 'recorded'],
        [`sum(${rate(`aegis_ledger_shipped_total{${REPLICAS}}`)})`, 'shipped to the ledger'],
      ],
    }),
    lines('Failures', {
      about: 'Records that could not be written or read again. Anything but zero needs a look at the log.',
      unit: 'cps',
      queries: [[`sum by (instance) (${rate(`aegis_journal_failures_total{${REPLICAS}}`)})`, '{{instance}}']],
    }),
    row('Audit'),
    states('Audit', {
      about:
        'Whether decisions can be recorded. Where they cannot, requests are refused or, with audit.on_failure: open, not in the audit.',
      states: { 0: ['not writable', 'red'], 1: ['writable', 'green'] },
      queries: [[`aegis_audit_writable{${REPLICAS}}`, '{{instance}}']],
    }),
    lines('Oldest record without a seal', {
      about: 'Below audit.checkpoint_interval unless seals fail. What no seal covers can be changed unseen.',
      unit: 's',
      queries: [[`aegis_audit_unsealed_seconds{${REPLICAS}}`, '{{instance}}']],
    }),
    lines('Audit records and seals', {
      about: 'Lost: decisions that are in no audit. Anything but zero needs a look at the log.',
      unit: 'cps',
      queries: [
        [`sum(${rate(`aegis_audit_records_total{${REPLICAS}}`)})`, 'recorded'],
        [`sum(${rate(`aegis_audit_checkpoints_total{${REPLICAS}}`)})`, 'seals'],
        [`sum(${rate(`aegis_audit_lost_total{${REPLICAS}}`)})`, 'lost'],
      ],
    }),
    lines('Audit records waiting for PostgreSQL', {
      about: 'In the journal beside each replica. Near zero unless PostgreSQL is away.',
      queries: [[`aegis_audit_depth{${REPLICAS}}`, '{{instance}}']],
    }),
    lines("Size of the audit's journal", {
      about: 'And how large it may grow (accounting.max_journal).',
      unit: 'bytes',
      queries: [
        [`aegis_audit_bytes{${REPLICAS}}`, '{{instance}}'],
        [`aegis_journal_limit_bytes{${REPLICAS}}`, '{{instance}} limit'],
      ],
    }),
    row('Configuration'),
    lines('Reloads', {
      about: 'Times a minute, by outcome.',
      queries: [[`sum by (outcome) (${rate(`aegis_config_reloads_total{${REPLICAS}}`)}) * 60`, '{{outcome}}']],
    }),
    states('Files on disk', {
      about: 'refused: the last good configuration goes on serving.',
      states: { 0: ['in use', 'green'], 1: ['refused', 'red'] },
      queries: [[`aegis_config_rejected{${REPLICAS}}`, '{{instance}}']],
    }),
    lines('Age of the configuration', {
      about: 'Since it was loaded. Replicas far apart serve different configurations.',
      unit: 's',
      queries: [[`time() - aegis_config_loaded_timestamp_seconds{${REPLICAS}}`, '{{instance}}']],
    }),
    row('TLS of the listener'),
    lines('Certificate lasts for', {
      about: 'Nothing where the listener speaks plain HTTP.',
      unit: 's',
      queries: [[`(aegis_tls_certificate_not_after_timestamp_seconds{${REPLICAS}} > 0) - time()`, '{{instance}}']],
    }),
    states('Certificate on disk', {
      about: 'refused: the last good one goes on serving.',
      states: { 0: ['in use', 'green'], 1: ['refused', 'red'] },
      queries: [[`aegis_tls_certificate_rejected{${REPLICAS}}`, '{{instance}}']],
    }),
    lines('Handshakes that failed', {
      about: 'Times a minute, by why. client_certificate: none, or one of a stranger.',
      queries: [[`sum by (reason) (${rate(`aegis_tls_handshake_failures_total{${REPLICAS}}`)}) * 60`, '{{reason}}']],
    }),
    lines('Exports over OTLP', {
      about: 'Traces and metrics sent; nothing where no endpoint is set.',
      unit: 'cps',
      queries: [
        [`sum by (signal, outcome) (${rate(`aegis_otlp_exports_total{${REPLICAS}}`)})`, '{{signal}} {{outcome}}'],
      ],
    }),
    row('Processes'),
    lines('Up since', {
      about: 'A line that falls to zero is a restart.',
      unit: 's',
      queries: [[`time() - process_start_time_seconds{${REPLICAS}, job="aegis"}`, '{{instance}}']],
    }),
    lines('Workers that ended', {
      about: 'And scrapes that one did not answer in time, a minute. Anything but zero needs a look at the log.',
      queries: [
        [`sum by (instance) (${rate(`aegis_worker_exits_total{${REPLICAS}}`)}) * 60`, '{{instance}} ended'],
        [`sum by (instance) (${rate(`aegis_worker_scrapes_missed_total{${REPLICAS}}`)}) * 60`, '{{instance}} missed'],
      ],
    }),
    lines('Open files', {
      about: 'Share of what the process may open: connections and the journal.',
      unit: 'percentunit',
      queries: [
        [`process_open_fds{${REPLICAS}, job="aegis"} / process_max_fds{${REPLICAS}, job="aegis"}`, '{{instance}}'],
      ],
    }),
  ],
});

/** Of requests that were not taken on, and what decides it. */
export const OVERLOAD_METRICS = {
  requestsShed: {
    kind: 'counter',
    name: 'aegis_requests_shed_total',
    help: 'Requests answered 503 overloaded because this process has too much to do, by what there was too much of.',
    labelNames: ['reason'],
  },
  admissionPatience: {
    kind: 'gauge',
    name: 'aegis_admission_patience_seconds',
    together: 'min',
    help: 'How late a new request may be and still be let in: 25 times server.overload.target_delay, less while the event loop has no idle time, down to a sixteenth of it. -1 where lateness is no reason.',
    labelNames: [],
  },
  inFlightLimit: {
    kind: 'gauge',
    name: 'aegis_requests_in_flight_limit',
    together: 'sum',
    help: 'Requests that may be open at one time: server.overload.max_in_flight, or what memory and file descriptors allow.',
    labelNames: [],
  },
} as const;

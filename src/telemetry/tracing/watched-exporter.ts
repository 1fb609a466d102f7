/** What span and metric exporters have in common. */
interface Exporter<Items> {
  export(items: Items, done: (result: { readonly code: number; readonly error?: Error }) => void): void;
}

/** `ExportResultCode.SUCCESS` of @opentelemetry/core. */
const SUCCESS = 0;

/** The same exporter; `report` is told of each batch, null where it was taken. */
export function watchExporter<Items, Watched extends Exporter<Items>>(
  exporter: Watched & Exporter<Items>,
  report: (problem: Error | null) => void,
): Watched {
  const send = exporter.export.bind(exporter);
  exporter.export = (items, done) =>
    send(items, (result) => {
      report(result.code === SUCCESS ? null : (result.error ?? new Error('refused')));
      done(result);
    });
  return exporter;
}

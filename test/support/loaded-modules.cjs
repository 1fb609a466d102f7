/** Required before a program: at its end, says which modules of OpenTelemetry's SDK and exporters it has loaded. */
process.on('exit', () => {
  const loaded = Object.keys(require.cache).filter((path) =>
    /@opentelemetry[\\/](?:sdk|exporter|otlp|resources)/.test(path),
  );
  process.stdout.write(`${JSON.stringify({ msg: 'loaded modules', count: loaded.length })}\n`);
});

import { request } from 'undici';

/** Every sample of a Prometheus text, by its name and labels as they are written. */
export type Samples = ReadonlyMap<string, number>;

export async function scrape(url: string): Promise<Samples> {
  return parseSamples(await (await request(url)).body.text());
}

export function parseSamples(text: string): Samples {
  const samples = new Map<string, number>();
  for (const line of text.split('\n')) {
    const end = line.lastIndexOf(' ');
    if (end > 0 && !line.startsWith('#')) samples.set(line.slice(0, end), Number(line.slice(end + 1)));
  }
  return samples;
}

/** The metric a sample belongs to: histograms and summaries have several. */
export function metricOf(sample: string): string {
  return sample.replace(/\{[\s\S]*$/, '').replace(/_(?:bucket|sum|count)$/, '');
}

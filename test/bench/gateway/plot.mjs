/** A picture of the processor time: a bar for each process, a group for each case. Legible on light and on dark. */
import { sayMachine } from './machine.mjs';

const WIDTH = 860;
const LEFT = 190;
const RIGHT = 150;
const TOP = 64;
const BAR = 16;
const BAR_GAP = 3;
const GROUP_GAP = 20;
const COLOURS = { bytes: '#94a3b8', raw: '#64748b', aegis: '#2f7fd8', 'aegis-redis': '#0fa58a', portkey: '#d9822b' };

const escapeXml = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
const text = (x, y, content, more = '') => `<text x="${x}" y="${y}" ${more}>${escapeXml(content)}</text>`;

/** Each case to a scale of its own, raw relay's multiples: the work of one is not the work of another. */
function drawCase({ label, unit, subjects }, top, longest) {
  const height = subjects.length * (BAR + BAR_GAP);
  const scale = (WIDTH - LEFT - RIGHT) / longest;
  const bars = subjects.map(({ name, microseconds, ratios }, index) => {
    const ratio = name === 'raw' ? 1 : ratios.raw.median;
    const y = top + index * (BAR + BAR_GAP);
    const isCut = ratio > longest;
    const width = Math.min(ratio, longest) * scale;
    const value = microseconds.median.toFixed(microseconds.median < 100 ? 1 : 0);
    return (
      `<rect x="${LEFT}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" rx="2" fill="${COLOURS[name]}"/>` +
      text(LEFT + width + 6, y + BAR - 4, `${isCut ? '… ' : ''}${ratio.toFixed(2)}×, ${value} µs`)
    );
  });
  const middle = top + height / 2;
  return {
    height,
    svg: [
      text(LEFT - 12, middle, label, 'text-anchor="end" font-weight="600"'),
      text(LEFT - 12, middle + 15, `a ${unit}`, 'text-anchor="end" opacity="0.7"'),
      ...bars,
    ].join('\n'),
  };
}

function drawLegend(subjects, y) {
  let x = 16;
  return subjects
    .map(({ name, label }) => {
      const entry = `<rect x="${x}" y="${y - 10}" width="11" height="11" rx="2" fill="${COLOURS[name]}"/>${text(x + 16, y, label)}`;
      x += 30 + label.length * 6.6;
      return entry;
    })
    .join('\n');
}

/** @returns an SVG */
export function draw(results) {
  const { cpu } = results;
  const ownRatios = cpu.flatMap(({ subjects }) =>
    subjects.filter(({ name }) => name.startsWith('aegis')).map(({ ratios }) => ratios.raw.median),
  );
  // What is far dearer than anything of ours runs out of the picture, and says so.
  const longest = Math.max(...ownRatios) * 1.15;
  const groups = [];
  let top = TOP + 24;
  for (const one of cpu) {
    const { svg, height } = drawCase(one, top, longest);
    groups.push(svg);
    top += height + GROUP_GAP;
  }
  const everybody = new Map(cpu.flatMap(({ subjects }) => subjects.map((subject) => [subject.name, subject])));
  const one = LEFT + (WIDTH - LEFT - RIGHT) / longest;
  const bottom = top - GROUP_GAP + 6;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${bottom + 34}" font-family="system-ui, sans-serif" font-size="12">
<title>Processor time of the gateway, every control on, beside a raw relay</title>
<style>text { fill: #24292f; stroke: #ffffff; stroke-width: 3px; paint-order: stroke } .page { fill: #ffffff } .line { stroke: #24292f } @media (prefers-color-scheme: dark) { text { fill: #e6edf3; stroke: #0d1117 } .page { fill: #0d1117 } .line { stroke: #e6edf3 } }</style>
<rect class="page" width="100%" height="100%"/>
${text(16, 24, 'Processor time of the gateway, every control on, beside a raw relay', 'font-size="15" font-weight="600"')}
${drawLegend([...everybody.values()], 48)}
<line class="line" x1="${one.toFixed(1)}" x2="${one.toFixed(1)}" y1="${TOP + 12}" y2="${bottom}" stroke-dasharray="3 3" opacity="0.5"/>
${groups.join('\n')}
${text(16, bottom + 22, `Multiples of the raw relay; medians of ${results.rounds} rounds. ${sayMachine(results.machine)}.`, 'opacity="0.7" font-size="11"')}
</svg>
`;
}

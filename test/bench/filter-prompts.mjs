/** Prompts of 10 KB as people and programs write them, made of this repository's own files. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const SIZE = 10_240;
const root = new URL('../../', import.meta.url).pathname;
const filesIn = (folder, ending) =>
  readdirSync(path.join(root, folder))
    .filter((name) => name.endsWith(ending))
    .sort()
    .map((name) => readFileSync(path.join(root, folder, name), 'utf8'))
    .join('\n');
const cut = (text) => text.slice(0, SIZE);
const repeat = (text) => text.repeat(Math.ceil(SIZE / text.length)).slice(0, SIZE);
const withoutMarks = (text) => text.replace(/[^\n\x20-\x7e]/g, '-');

/** Each with what it is called. */
export function prompts() {
  const prose = cut(withoutMarks(filesIn('docs', '.md').replace(/^(?:[|`#].*| {4}.*)$/gm, '')));
  const code = cut(withoutMarks(filesIn('src/router', '.ts')));
  const json = cut(withoutMarks(readFileSync(path.join(root, 'package-lock.json'), 'utf8').slice(20_000)));
  const mixed = cut(`${prose.slice(0, 4_000)}\n\`\`\`ts\n${code.slice(0, 3_500)}\n\`\`\`\n${json.slice(0, 3_000)}`);
  const tool = cut(JSON.stringify({ files: { 'a.ts': code, 'b.md': prose.slice(0, 2_000) } }));
  const lorem = 'The deployment of the service failed twice tonight; logs and settings are attached. ';
  const encode = (text) => Buffer.from(text).toString('base64');
  const escaped = [...lorem].map((each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`).join('');
  const percent = encodeURIComponent(JSON.stringify({ a: lorem, b: [1, 2, 3] }));
  const much = `${prose.slice(0, 2_000)} ${escaped.repeat(4)} ${encode(prose.slice(0, 1_500))} ${percent.repeat(10)} `;
  return [
    { name: 'prose', text: prose },
    { name: 'code', text: code },
    { name: 'JSON', text: json },
    { name: 'mixed', text: mixed },
    { name: 'tool call (JSON of code)', text: tool },
    {
      name: 'German',
      text: repeat('Die Bereitstellung schlug heute zweimal fehl; Größe und Übergabe der Maßnahmen fehlen völlig. '),
    },
    {
      name: 'Russian',
      text: repeat('Развёртывание сервиса сегодня дважды не удалось; журнал приложен, посмотрите. ').slice(0, SIZE / 2),
    },
    { name: 'Chinese', text: repeat('今晚服务部署失败了两次，日志和设置都在附件里，请帮我看看。').slice(0, SIZE / 3) },
    { name: 'decoding: all of it', text: repeat(much) },
    { name: 'decoding: \\u escapes alone', text: repeat(escaped) },
    { name: 'decoding: base64 alone', text: cut(encode(prose)) },
    { name: 'decoding: percent alone', text: repeat(percent) },
    {
      name: 'decoding: JSON in JSON in JSON',
      text: cut(JSON.stringify(JSON.stringify(JSON.stringify({ code, prose })))),
    },
  ];
}

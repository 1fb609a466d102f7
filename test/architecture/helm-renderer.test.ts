import { parse } from 'yaml';
import type { Value, ValueMap } from '../support/helm/template.functions.js';
import { TemplateRenderer } from '../support/helm/template.renderer.js';

const VALUES: ValueMap = {
  name: 'aegis',
  empty: '',
  zero: 0,
  port: 8080,
  on: true,
  off: false,
  list: ['a', 'b'],
  map: { y: 2, x: 1 },
  none: {},
};

function render(text: string, values: ValueMap = VALUES): string {
  return new TemplateRenderer(new Map([['file', text]])).render('file', { Values: values });
}

/** Helm 3.19 gave the same for each. */
describe('the reader of templates', () => {
  it.each([
    ['prints', 'a {{ .Values.name }} b', 'a aegis b'],
    ['takes white space before an action away', 'a \n {{- .Values.name }} b', 'aaegis b'],
    ['takes white space behind an action away', 'a {{ .Values.name -}} \n b', 'a aegisb'],
    ['leaves comments out', 'a{{/* no {{ not even this */}}b {{- /* nor this */ -}} c', 'abc'],
    ['chooses', '{{ if .Values.on }}1{{ else }}2{{ end }}{{ if .Values.off }}1{{ else }}2{{ end }}', '12'],
    [
      'chooses again',
      '{{ if .Values.off }}1{{ else if .Values.zero }}2{{ else if .Values.on }}3{{ else }}4{{ end }}5',
      '35',
    ],
    [
      'takes nothing, 0 and what is empty for false',
      '{{ if .Values.empty }}1{{ end }}{{ if .Values.none }}2{{ end }}{{ if .Values.absent }}3{{ end }}',
      '',
    ],
    [
      'looks into a value',
      '{{ with .Values.map }}{{ .x }}{{ $.Values.name }}{{ else }}no{{ end }}{{ with .Values.none }}{{ .x }}{{ else }}no{{ end }}',
      '1aegisno',
    ],
    ['goes through a list', '{{ range .Values.list }}[{{ . }}]{{ end }}', '[a][b]'],
    [
      'goes through a list with a name',
      '{{ range $each := .Values.list }}{{ $each }}{{ $.Values.port }} {{ end }}',
      'a8080 b8080 ',
    ],
    [
      'goes through a map by its keys',
      '{{ range $key, $value := .Values.map }}{{ $key }}={{ $value }};{{ end }}',
      'x=1;y=2;',
    ],
    ['goes through nothing', '{{ range .Values.absent }}x{{ else }}none{{ end }}', 'none'],
    ['keeps variables to their block', '{{ $a := 1 }}{{ if true }}{{ $a := 2 }}{{ $a }}{{ end }}{{ $a }}', '21'],
    ['hands a value on', '{{ .Values.name | trunc 3 | quote }}', '"aeg"'],
    ['takes parentheses', '{{ default (printf "%s-%d" .Values.name (int 3)) .Values.empty }}', 'aegis-3'],
    [
      'includes',
      '{{ define "x" }}<{{ . }}>{{ end }}{{ include "x" .Values.name }}{{ include "x" "b" | quote }}',
      '<aegis>"<b>"',
    ],
    ['indents', 'a:{{ "b: 1\\nc: 2" | nindent 2 }}', 'a:\n  b: 1\n  c: 2'],
    [
      'compares',
      '{{ eq .Values.name "aegis" }} {{ not .Values.on }} {{ contains "eg" .Values.name }} {{ hasKey .Values.map "x" }}',
      'true false true true',
    ],
    [
      'builds',
      '{{ $d := dict "a" 1 }}{{ $_ := set $d "b" (list 1 2) }}{{ $d.a }}{{ range $d.b }}{{ . }}{{ end }}',
      '112',
    ],
    [
      'cuts and replaces',
      '{{ trimSuffix "s" .Values.name }} {{ replace "e" "3" .Values.name }} {{ lower "AB" }} {{ add 1 2 3 }}',
      'aegi a3gis ab 6',
    ],
    ['writes JSON', '{{ toJson (list 1 "x") }} {{ get .Values.map "x" }}', '[1,"x"] 1'],
    ['hashes', '{{ sha256sum "abc" | trunc 8 }}', 'ba7816bf'],
  ])('%s', (_what, text, expected) => {
    expect(render(text)).toBe(expected);
  });

  it('writes YAML that reads as what it was made of', () => {
    const tricky: Value = {
      off: 'off',
      number: '8080',
      lines: 'a\n  b\n',
      quote: 'say "no"',
      list: [{ a: 1 }],
      empty: {},
    };
    const text = render('x:\n  {{- toYaml .Values.tricky | nindent 2 }}\n', { tricky });
    expect(parse(text, { version: '1.1' })).toEqual({ x: tricky });
  });

  it.each([
    ['a function it does not know', '{{ shout "a" }}', 'shout'],
    ['a name that nothing has', '{{ .Values.absent.deeper }}', 'deeper'],
    ['a variable nobody set', '{{ $gone }}', '$gone'],
    ['a template that is not there', '{{ include "gone" . }}', 'gone'],
    ['nothing to print', '{{ .Values.absent }}', 'nothing'],
    ['a map to print', '{{ .Values.map }}', 'map'],
    ['a block without an end', '{{ if .Values.on }}a', 'no "end"'],
    ['an end without a block', 'a{{ end }}', 'ends nothing'],
    ['what must be set', '{{ required "set it" .Values.empty }}', 'set it'],
    ['a failure', '{{ fail "no" }}', 'no'],
    ['a number that Helm would print with an exponent', '{{ .Values.many }}', 'exponent'],
  ])('stops at %s', (_what, text, message) => {
    expect(() => render(text, { ...VALUES, many: 5_000_000 })).toThrow(message);
  });
});

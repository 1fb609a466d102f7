/** The files of a configuration, in the order their problems are told in. */
export const CONFIG_FILE_NAMES = ['gateway.yaml', 'providers.yaml', 'models.yaml', 'pricing.yaml'] as const;
export type ConfigFileName = (typeof CONFIG_FILE_NAMES)[number];

/** A file's text, or why there is none. */
export type ConfigFile =
  | { readonly text: string }
  | { readonly text: null; readonly fault: 'missing' | 'unreadable' | 'not_utf8' | 'too_large' };

export type ConfigFiles = Readonly<Record<ConfigFileName, ConfigFile>>;

export type Environment = Readonly<Record<string, string | undefined>>;

/** Reads the file a `${file:/path}` names. Throws where it cannot be read. */
export type SecretFileReader = (path: string) => string;

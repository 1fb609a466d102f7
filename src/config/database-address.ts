/** What an address of PostgreSQL says of TLS. */
export interface DatabaseAddress {
  /** Without what it said of TLS. */
  readonly url: string;
  readonly isEncrypted: boolean;
  /** What is wrong with it; null where nothing is. */
  readonly problem: string | null;
}

const OFF = ['disable', 'false', '0'];
/** Whichever of them it is, the server has to prove who it is: anything less protects from nobody who is in between. */
const ON = ['prefer', 'require', 'verify-ca', 'verify-full', 'true', '1'];
const FILES = ['sslrootcert', 'sslcert', 'sslkey'];
const SWITCHES = ['sslmode', 'ssl'];

export function readDatabaseAddress(text: string): DatabaseAddress {
  // A socket's folder, or several hosts: nothing that TLS is for, or that this driver knows.
  if (!URL.canParse(text)) return { url: text, isEncrypted: false, problem: null };
  const url = new URL(text);
  const { searchParams } = url;
  const modes = SWITCHES.flatMap((name) => searchParams.getAll(name));
  const unknown = modes.some((mode) => !OFF.includes(mode) && !ON.includes(mode));
  const isEncrypted = modes.some((mode) => ON.includes(mode)) || searchParams.get('sslnegotiation') === 'direct';
  const file = FILES.find((name) => searchParams.has(name));
  const problem =
    unknown || searchParams.has('uselibpqcompat')
      ? 'asks for TLS without a proof of who answers: write sslmode=verify-full, and the authority in database.tls.ca_file'
      : file === undefined
        ? null
        : `holds ${file}: the files of TLS are named in database.tls`;
  if (modes.length === 0) return { url: text, isEncrypted, problem };
  for (const name of SWITCHES) searchParams.delete(name);
  return { url: url.toString(), isEncrypted, problem };
}

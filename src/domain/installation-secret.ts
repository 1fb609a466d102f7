/**
 * Injection token of the secret that all replicas of an installation share (the pepper of its keys), at least 32 bytes.
 * Never used itself: keys for other purposes are derived from it.
 */
export const INSTALLATION_SECRET = Symbol('InstallationSecret');

// node verify-audit-proof.mjs PROOF.json PUBLIC_KEY.pem
// Verifies a proof of `aegis audit prove` with nothing but Node: that the record is among those that the seal was made
// over (RFC 6962), and that the seal is signed by the key (Ed25519). Exit code 1 where it is not.
import { createHash, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';

const [proofFile, keyFile] = process.argv.slice(2);
const { record, index, path, seal: sealLine } = JSON.parse(readFileSync(proofFile, 'utf8'));
const sha256 = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest();

let hash = sha256('\0', record);
let last = JSON.parse(sealLine).seal.count - 1;
const neighbors = path.map((hex) => Buffer.from(hex, 'hex'));
for (let at = index; last > 0; at >>= 1, last >>= 1) {
  if (at === last && at % 2 === 0) continue; // No neighbor: it goes up as it is.
  const neighbor = neighbors.shift() ?? Buffer.alloc(0);
  hash = at % 2 === 1 ? sha256('\x01', neighbor, hash) : sha256('\x01', hash, neighbor);
}

const sealRecord = JSON.parse(sealLine); // Its members stand in the order that was signed.
const { root, signature } = sealRecord.seal;
delete sealRecord.seal.signature;
const isIncluded = neighbors.length === 0 && hash.toString('hex') === root;
const isSigned = verify(null, JSON.stringify(sealRecord), readFileSync(keyFile), Buffer.from(signature, 'hex'));
console.log(isIncluded && isSigned ? `Proven: ${record}` : `NOT proven (included: ${isIncluded}, signed: ${isSigned})`);
process.exitCode = isIncluded && isSigned ? 0 : 1;

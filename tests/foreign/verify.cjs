// Has @sigstore/verify check an export and receipts: node verify.cjs EXPORT RECEIPT...
// Reads files as docs/export.md says; what holds is for sigstore's own code to say.
const fs = require('fs');
const path = require('path');
const crypto = require('crypto');
// The package exports its door for whole bundles only; the checks of a log stand behind it.
const { verifyTLogInclusion } = require(
  path.join(path.dirname(require.resolve('@sigstore/verify')), 'tlog'),
);

const [folder, ...receipts] = process.argv.slice(2);
const read = (...names) => fs.readFileSync(path.join(folder, ...names));

const [, name, keyId, encoded] = /^(.*?)\+(.*?)\+(.*)\n$/.exec(read('verifier.key').toString());
const spki = Buffer.concat([
  Buffer.from('302a300506032b6570032100', 'hex'),
  Buffer.from(encoded, 'base64').subarray(1),
]);
const log = {
  logID: Buffer.from(keyId, 'hex'),
  baseURL: name,
  publicKey: crypto.createPublicKey({ key: spki, format: 'der', type: 'spki' }),
  validFor: {},
};

function check(leaf, index, hashes, checkpoint) {
  verifyTLogInclusion(
    {
      canonicalizedBody: leaf,
      inclusionProof: { logIndex: String(index), hashes, checkpoint: { envelope: checkpoint } },
    },
    [log],
  );
}

const sha256 = (...parts) => crypto.createHash('sha256').update(Buffer.concat(parts)).digest();
const leafHash = (leaf) => sha256(Buffer.from([0]), leaf);
const half = (hashes) => 2 ** Math.floor(Math.log2(hashes.length - 1));
const root = (hashes) =>
  hashes.length === 1
    ? hashes[0]
    : sha256(Buffer.from([1]), root(hashes.slice(0, half(hashes))), root(hashes.slice(half(hashes))));
const proof = (hashes, index) => {
  if (hashes.length === 1) return [];
  const left = hashes.slice(0, half(hashes));
  const right = hashes.slice(half(hashes));
  return index < left.length
    ? [...proof(left, index), root(right)]
    : [...proof(right, index - left.length), root(left)];
};

const note = read('checkpoint').toString();
const size = Number(note.split('\n')[1]);
const leaves = [];
for (let n = 0; 256 * n < size; n++) {
  const count = Math.min(256, size - 256 * n);
  const tile = String(n).padStart(3, '0') + (count < 256 ? `.p/${count}` : '');
  const content = read('tile', 'entries', tile);
  for (let at = 0; at < content.length; at += 2 + content.readUInt16BE(at))
    leaves.push(content.subarray(at + 2, at + 2 + content.readUInt16BE(at)));
}
const hashes = leaves.map(leafHash);
for (const index of new Set([0, 1, size >> 1, size - 2, size - 1]))
  check(leaves[index], index, proof(hashes, index), note);

for (const file of receipts) {
  const receipt = JSON.parse(fs.readFileSync(file));
  const [head, checkpoint] = receipt.proof.split(/\n\n(.*)/s);
  const [, index, ...path_] = head.split('\n');
  check(
    Buffer.from(receipt.entry, 'base64'),
    index.replace('index ', ''),
    path_.map((one) => Buffer.from(one, 'base64')),
    checkpoint,
  );
}
console.log(`accepted: ${size} entries, ${receipts.length} receipts`);

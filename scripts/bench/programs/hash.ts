// Reads files and hashes them on one core, with nothing around it: what keeping bytes that are already on the disk has to cost at least.
import { createRequire } from "node:module";
import { openSync, readSync } from "node:fs";

// given as a path when it is called: how an add-on gets into a binary is not what is measured here
const [addon = "", ...files] = process.argv.slice(2);
const { Blake3Hasher } = createRequire(import.meta.url)(addon) as {
  Blake3Hasher: new () => { update(bytes: Uint8Array): void; digestBuffer(): Buffer };
};
const buffer = Buffer.allocUnsafe(1 << 18);
for (const file of files) {
  const hasher = new Blake3Hasher();
  const fd = openSync(file, "r");
  for (let count: number; (count = readSync(fd, buffer, 0, buffer.length, null)) > 0;) hasher.update(buffer.subarray(0, count));
  console.log(hasher.digestBuffer().toString("hex"), file);
}

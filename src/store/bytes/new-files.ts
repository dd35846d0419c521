import { closeSync, constants, fchmodSync, fstatSync, openSync } from "node:fs";
import { writeWhole } from "../../blobs/durable.ts";

const NEW = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
const OWN = 0o600;

/**
 * Makes new files where nobody looks for them yet: a name beside the lasting one, or a directory that nobody else sees into. A file is made with its mode at once where that comes out as it was asked for: neither the umask nor the directory's
 * default list of rights takes anything away, which the first file of each mode shows. So a call of the system is saved for each of the others.
 */
export class NewFiles {
  /** By mode. */
  readonly #comesOut = new Map<number, boolean>();

  /** Where nothing is. `mode`: permission bits, whatever the umask. @throws what the system says: EEXIST where something is there, ENOSPC */
  write(path: string, bytes: Uint8Array, mode: number): void {
    // some network file systems refuse to write to what is made without that right
    const comesOut = (mode & OWN) === OWN ? this.#comesOut.get(mode) : false;
    const fd = openSync(path, NEW, comesOut === false ? OWN : mode);
    try {
      writeWhole(fd, bytes);
      if (comesOut === true) return;
      const isSo = comesOut === undefined && (fstatSync(fd).mode & 0o7777) === mode;
      if (comesOut === undefined) this.#comesOut.set(mode, isSo);
      if (!isSo) fchmodSync(fd, mode);
    } finally {
      closeSync(fd);
    }
  }
}

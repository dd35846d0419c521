import type { RemoteFile } from "./lay-out.ts";
import type { Delivering } from "../sync.ts";

/** Tells how far these files of one run are, those that are on their way among them. */
export class UploadProgress {
  readonly #one: Delivering;
  readonly #files: { done: number; of: number };
  readonly #bytes: { done: number; of: number };
  readonly #flying = new Map<RemoteFile, number>();
  /** Bytes of all that fly. */
  #aloft = 0;

  constructor(one: Delivering, files: readonly RemoteFile[]) {
    this.#one = one;
    this.#files = { done: 0, of: files.length };
    this.#bytes = { done: 0, of: files.reduce((sum, { size }) => sum + size, 0) };
    if (files.length > 0) this.#tell();
  }

  /** `sent`: bytes of it that the network took in the present try. */
  moved(file: RemoteFile, sent: number): void {
    const before = this.#flying.get(file) ?? 0;
    if (sent === before) return;
    this.#aloft += sent - before;
    this.#flying.set(file, sent);
    this.#tell();
  }

  /** It is there, or stays away for good. */
  done(file: RemoteFile): void {
    this.#aloft -= this.#flying.get(file) ?? 0;
    this.#flying.delete(file);
    this.#files.done++;
    this.#bytes.done += file.size;
    this.#tell();
  }

  #tell(): void {
    this.#one.tally.progress({
      run: this.#one.run.id,
      points: { done: 0, of: 0 },
      files: { ...this.#files },
      bytes: { done: this.#bytes.done + this.#aloft, of: this.#bytes.of },
    });
  }
}

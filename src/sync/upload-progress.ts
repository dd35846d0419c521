import type { RemoteFile } from "./lay-out.ts";
import type { Delivering } from "./sync.ts";

/** Tells how far the files of one run are, those that are on their way among them. */
export class UploadProgress {
  readonly #one: Delivering;
  readonly #files = { done: 0, of: 0 };
  readonly #bytes = { done: 0, of: 0 };
  readonly #flying = new Map<RemoteFile, number>();

  constructor(one: Delivering) {
    this.#one = one;
  }

  /** More files are to go. */
  expect(files: readonly RemoteFile[]): void {
    this.#files.of += files.length;
    this.#bytes.of += files.reduce((sum, { size }) => sum + size, 0);
    this.#tell();
  }

  /** `sent`: bytes of it that the network took in the present try. */
  moved(file: RemoteFile, sent: number): void {
    this.#flying.set(file, sent);
    this.#tell();
  }

  done(file: RemoteFile): void {
    this.#flying.delete(file);
    this.#files.done++;
    this.#bytes.done += file.size;
    this.#tell();
  }

  #tell(): void {
    const flying = [...this.#flying.values()].reduce((sum, sent) => sum + sent, 0);
    this.#one.tally.progress({
      run: this.#one.run.id,
      points: { done: 0, of: 0 },
      files: { ...this.#files },
      bytes: { done: this.#bytes.done + flying, of: this.#bytes.of },
    });
  }
}

import { closeSync, fstatSync } from "node:fs";
import { Transient } from "../http/retry.ts";
import { readSource } from "./upload-source.ts";
import type { UploadSource } from "./upload-source.ts";

/** Bytes up to which a body is one piece. */
const ONE_PIECE = 256 * 1024;
/** Bytes that are read at a time of a longer one. */
const CHUNK = 512 * 1024;
/** Bytes up to which the kernel may send a file by itself: nobody sees how far it is. */
const UNSEEN = 16 * 1024 * 1024;

/** A range of a source as the body of one request. */
export interface UploadBody extends Disposable {
  /** Bytes. */
  readonly size: number;
  /** To be asked for once. `progress` is told the bytes handed to the network so far. `asFile`: the way there takes files (`takesFiles`). */
  take(progress: (bytes: number) => void, asFile?: boolean): Uint8Array<ArrayBuffer> | Blob | ReadableStream<Uint8Array<ArrayBuffer>>;
  /** What to say of a request that failed: where reading the source did, the network's complaint is only its echo. */
  blame(error: unknown): unknown;
}

/**
 * Opens a source for one try; without a range, all of it.
 * @throws what `source.open` throws
 */
export function openBody(source: UploadSource, from = 0, to = source.size): UploadBody {
  const size = to - from;
  if (source.bytes && size === source.bytes.length) return bodyOf(source.bytes);
  const { fd, offset } = source.open();
  const at = offset + from;
  let fault: { error: unknown } | undefined;
  let closed = false;

  /**
   * Reads on only when the network has taken what was read, so that progress is real and memory stays small: `Bun.file` over TLS holds all of it. Bun's own kind of
   * stream takes half the time of a stream of bytes, and copies what is written to it.
   */
  const stream = (progress: (bytes: number) => void): ReadableStream<Uint8Array<ArrayBuffer>> =>
    new ReadableStream({
      type: "direct",
      async pull(controller) {
        const buffer = Buffer.allocUnsafeSlow(Math.min(CHUNK, size));
        // fetch may settle early (a 413) with its hands still on the stream
        for (let position = 0; position < size && !closed;) {
          const chunk = buffer.subarray(0, Math.min(buffer.length, size - position));
          try {
            readSource(fd, chunk, at + position);
          } catch (error) {
            fault = { error };
            throw error;
          }
          controller.write(chunk);
          await controller.flush();
          position += chunk.length;
          if (!closed) progress(position);
        }
        controller.close();
      },
      cancel() {
        closed = true;
      },
    });

  return {
    size,
    take(progress, asFile = false) {
      // the file that was opened, wherever its name leads to by now; of one that is too short the stream says so
      if (asFile && size > ONE_PIECE && size <= UNSEEN && fstatSync(fd).size >= at + size)
        return Bun.file(`/proc/self/fd/${fd}`).slice(at, at + size);
      if (size > ONE_PIECE) return stream(progress);
      const bytes = new Uint8Array(size);
      readSource(fd, bytes, at);
      progress(size);
      return bytes;
    },
    blame: (error) => (error instanceof Transient && fault ? fault.error : error),
    [Symbol.dispose]() {
      closed = true;
      closeSync(fd);
    },
  };
}

/** What is in memory already. */
function bodyOf(bytes: Uint8Array): UploadBody {
  return {
    size: bytes.length,
    take(progress) {
      progress(bytes.length);
      return bytes as Uint8Array<ArrayBuffer>;
    },
    blame: (error) => error,
    [Symbol.dispose]: () => undefined,
  };
}

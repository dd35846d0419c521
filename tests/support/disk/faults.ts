/** What a program asked of the file system. */
export type Request = "create" | "read" | "write" | "truncate" | "sync" | "rename" | "link" | "unlink" | "mkdir" | "mode" | "open" | "list";

/** What is to go wrong. A path counts from the root of the mount. */
export interface Fault {
  on: Request;
  /** A regular expression. */
  path: string;
  /** How many such requests are well before it. */
  after?: number;
  /** How many go wrong; all, where it is left out. */
  times?: number;
  /** `short` and `flip` are for reads, and say nothing: fewer bytes than there are, or other ones. */
  how: "EIO" | "ENOSPC" | "EDQUOT" | "EROFS" | "short" | "flip";
}

/** Errors of the kernel by name. */
export const ERRNO = { EIO: 5, ENOSPC: 28, EDQUOT: 122, EROFS: 30 } as const;

/** Decides of each request whether it goes wrong. */
export class Faults {
  #armed: (Fault & { pattern: RegExp; seen: number })[] = [];
  readonly hit: string[] = [];

  arm(faults: readonly Fault[]): void {
    this.#armed = faults.map((fault) => ({ ...fault, pattern: new RegExp(fault.path), seen: 0 }));
    this.hit.length = 0;
  }

  of(on: Request, path: string): Fault["how"] | undefined {
    for (const fault of this.#armed) {
      if (fault.on !== on || !fault.pattern.test(path)) continue;
      const number = fault.seen++ - (fault.after ?? 0);
      if (number < 0 || number >= (fault.times ?? Infinity)) continue;
      this.hit.push(`${fault.how} ${on} ${path}`);
      return fault.how;
    }
    return undefined;
  }

  /** Whether reads of it are to go wrong: its pages may not be kept by the kernel then. */
  touchesReads(path: string): boolean {
    return this.#armed.some((fault) => fault.on === "read" && fault.pattern.test(path));
  }
}

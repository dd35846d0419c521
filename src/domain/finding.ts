/** One thing that `doctor` looked at. */
export interface Finding {
  area: "configuration" | "store" | "disk" | "server" | "files";
  /** What was looked at, in a word or two. */
  what: string;
  /** ok; warn: it works, and could harm or be better; fail: it does not work. */
  state: "ok" | "warn" | "fail";
  /** What was found, in words. */
  found: string;
  /** What to do; null where there is nothing to do. */
  todo: string | null;
}

/** Makes the findings of one area. */
export function findingsOf(area: Finding["area"]) {
  return {
    ok: (what: string, found: string): Finding => ({ area, what, state: "ok", found, todo: null }),
    warn: (what: string, found: string, todo: string): Finding => ({ area, what, state: "warn", found, todo }),
    fail: (what: string, found: string, todo: string | undefined): Finding => ({ area, what, state: "fail", found, todo: todo ?? null }),
  };
}

import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { decodeTree } from "../../src/blobs/decode-tree.ts";
import { encodeTree } from "../../src/blobs/encode-tree.ts";
import type { TreeEntry } from "../../src/blobs/tree.ts";
import { readLayer } from "../../src/config/layer.ts";
import { parseConfig } from "../../src/config/parse.ts";
import { checkKey, parseAssignment, parseMetric } from "../../src/domain/assignment.ts";
import { formatDigest, parseDigest, parseDigestPrefix } from "../../src/domain/digest.ts";
import { CofferError } from "../../src/domain/error.ts";
import { formatExecutionPath, parseExecutionPath } from "../../src/domain/execution-path.ts";
import { parseMoment } from "../../src/domain/moment.ts";
import { checkAlias, checkArtifactName, checkArtifactPath, checkName, filePart } from "../../src/domain/names.ts";
import { matcher } from "../../src/domain/pattern.ts";
import { formatBytes, formatDuration, parseBytes, parseDuration } from "../../src/domain/quantity.ts";
import { redactText } from "../../src/domain/redact.ts";
import { parseManifest } from "../../src/manifest/read/parse-manifest.ts";
import { toYaml } from "../../src/manifest/read/yaml.ts";
import { destinationOf, directoryOn } from "../../src/mlflow/artifacts/destination.ts";
import { remoteName } from "../../src/mlflow/artifacts/remote-name.ts";
import { connect } from "../../src/mlflow/http/connection.ts";
import { IniFault, readIniSection } from "../../src/mlflow/http/ini.ts";
import { findInNetrc } from "../../src/mlflow/http/netrc.ts";
import { readRetrySettings } from "../../src/mlflow/http/retry-settings.ts";
import { parseCondition, parseSort } from "../../src/registry/where.ts";
import { printable } from "../../src/cli/table.ts";
import { holds, textOf } from "../support/property.ts";

/** What a reader makes of a text; undefined where it refuses it as it should: with an error of ours that says what to do. */
function taken<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof IniFault) return undefined;
    expect(error).toBeInstanceOf(CofferError);
    expect([(error as CofferError).hint ?? "", (error as CofferError).stack?.includes("RangeError")]).not.toEqual(["", true]);
    expect((error as CofferError).hint).not.toBe("");
    return undefined;
  }
}

const WORDS = [
  "a",
  "model",
  "0001_pls",
  "0",
  "3",
  "01",
  "all",
  "latest",
  "v1",
  "@",
  ":",
  "/",
  ".",
  "..",
  "-",
  "run:",
  "blake3:",
  "sha256:",
  "3fa4",
  " ",
  "\n",
  "~",
  "\\",
];
const name = textOf(WORDS, 12);

test("a name, an alias, a key or a path that is taken is safe as a part of a file's path, and of a reference", () => {
  holds(name, 3000, (text) => {
    const one = taken(() => checkArtifactName(text)) ?? taken(() => checkName("dataset", text)) ?? taken(() => checkAlias(text));
    if (one !== undefined) expect([one, one.length <= 200, /[/\\\x00-\x1f\x7f]|^\.{0,2}$/.test(one)]).toEqual([text, true, false]);
    const path = taken(() => checkArtifactPath(text));
    if (path !== undefined)
      expect(new URL(`x:/root/${path.replaceAll(/[%?#\\]/g, "_").replaceAll(/[\x00-\x20]/g, "_")}`).pathname).toStartWith("/root/");
    taken(() => checkKey("tag", text));
    expect(filePart(text)).toMatch(/^[A-Za-z0-9_+-][A-Za-z0-9._+-]{0,59}$/);
    expect(printable(`${text}\u202e${text}`)).not.toMatch(/[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/);
  });
});

test("an execution-path id, a digest and a quantity are read as they are written, or refused", () => {
  holds(name, 3000, (text) => {
    const path = taken(() => parseExecutionPath(text));
    if (path) expect(formatExecutionPath(path)).toBe(text);
    const digest = taken(() => parseDigest(text));
    if (digest) expect(formatDigest(digest)).toBe(text);
    parseDigestPrefix(text);
  });
  const number = fc.integer({ min: 0, max: 999_999_999 });
  const path = fc.record({
    pipeline: fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}$/),
    branch: fc.array(number, { maxLength: 5 }),
    step: number,
    subStep: fc.option(number),
    fold: fc.option(number),
  });
  holds(path, 1000, (given) => expect(parseExecutionPath(formatExecutionPath(given))).toEqual(given));
  holds(textOf(["1", "0", "9".repeat(400), ".", "e", "-", "GB", "KiB", "pib", "ms", "h", "d", " ", "∞", "NaN"], 5), 3000, (text) => {
    const bytes = taken(() => parseBytes(text));
    if (bytes !== undefined) expect(formatBytes(bytes)).toMatch(/^(?:[0-9.]+|Infinity|[0-9.]+e\+[0-9]+) [KMGTP]?i?B$/);
    const time = taken(() => parseDuration(text));
    if (time !== undefined) expect(formatDuration(time)).not.toContain("NaN");
    const moment = parseMoment(text);
    if (moment !== undefined) expect(new Date(moment).getTime()).toBe(moment);
  });
});

test("conditions and assignments are taken apart or refused", () => {
  const pieces = [
    "metrics",
    ".",
    "rmse",
    "size",
    "created",
    "name",
    "fold",
    "params.",
    "<",
    "=",
    "==",
    "!=",
    ">",
    " ",
    "0.2",
    "10MB",
    "2026-01-01",
    '"',
    "'",
    "and",
    "\n",
    "@",
    "3",
  ];
  holds(textOf(pieces, 14), 4000, (text) => {
    const condition = taken(() => parseCondition(text));
    if (condition) expect(["=", "!=", "<", "<=", ">", ">="]).toContain(condition.operator);
    taken(() => parseSort(text));
    const pair = taken(() => parseAssignment("tag", text));
    if (pair) expect(`${pair[0]}=${pair[1]}`).toBe(text);
    const metric = taken(() => parseMetric(text));
    if (metric) expect([typeof metric.value, Number.isSafeInteger(metric.step)]).toEqual(["number", true]);
  });
});

const YAML = [
  ...[
    "artifact_store",
    "workspace",
    "tracking",
    "cleanup_policy",
    "root_path",
    "max_size",
    "policy",
    "a",
    "b",
    "1",
    "1e999",
    "0x1F",
    "true",
    "null",
    "~",
    "50GB",
  ],
  ...[
    ": ",
    ":",
    "\n",
    "\n  ",
    "- ",
    "? ",
    "&a ",
    "*a",
    "*b",
    "[",
    "]",
    "{",
    "}",
    ", ",
    "'",
    '"',
    "|\n",
    ">-\n",
    "# ",
    "%YAML 9.9\n",
    "---\n",
    "...\n",
  ],
  ...[
    "!!binary ",
    "!!python/object:os.system ",
    "!<x> ",
    "<<: *a\n",
    "\t",
    "\r\n",
    "${HOME}",
    "${",
    "$$",
    "__proto__: ",
    "constructor: ",
    "uid",
    "schema_version: '2.0'\n",
    "artifacts: ",
    "items: ",
  ],
];

test("whatever stands in a configuration or a manifest, it is read, or refused with its place", () => {
  holds(textOf(YAML), 3000, (text) => {
    const parsed = parseConfig(text);
    for (const { line, column, message, hint } of parsed.faults)
      expect([line > 0, column > 0, message !== "", hint !== ""]).toEqual(Array(4).fill(true));
    if (parsed.faults.length === 0)
      for (const { path, at, message } of readLayer(parsed.tree, { env: {}, foreign: false }).problems)
        expect([parsed.place(path, at).line > 0, message !== ""]).toEqual([true, true]);
    const manifest = taken(() => parseManifest(text, "m.yaml"));
    if (manifest) expect(Object.getPrototypeOf(manifest.tree)).toBe(Object.prototype);
  });
  expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
});

test("a manifest that coffer writes is read as what it was", () => {
  const leaf = fc.oneof(
    fc.string({ unit: "binary" }).map((text) => text.toWellFormed().replaceAll("\0", "")),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    textOf(YAML, 6).map((text) => text.toWellFormed().replaceAll("\0", "")),
  );
  const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
    tree: fc.oneof(
      { depthSize: "small" },
      leaf,
      fc.array(tie("tree"), { maxLength: 4 }),
      fc.dictionary(fc.oneof(fc.string(), fc.constantFrom("<<", "a: b", "- ", "null")), tie("tree"), { maxKeys: 4, noNullPrototype: true }),
    ),
  }));
  holds(fc.dictionary(fc.stringMatching(/^[a-z_]{1,8}$/), tree, { minKeys: 1, noNullPrototype: true }), 1000, (value) => {
    expect(parseManifest(toYaml(value as Parameters<typeof toYaml>[0]), "m.yaml").tree).toEqual(value);
  });
});

test("a directory's list is read as it was written, and no other names anything outside", () => {
  const part = fc.stringMatching(/^[^/\0]{1,10}$/).filter((text) => text !== "." && text !== ".." && text.isWellFormed());
  const file = fc.record({
    kind: fc.constant("file" as const),
    path: part,
    mode: fc.integer({ min: 0, max: 0o777 }),
    hex: fc.stringMatching(/^[0-9a-f]{64}$/),
    size: fc.nat(),
  });
  const link = fc.record({ kind: fc.constant("link" as const), path: part, target: part });
  const entries = fc.uniqueArray(fc.oneof<fc.Arbitrary<TreeEntry>[]>(file, link), { selector: ({ path }) => path, maxLength: 6 });
  const sorted = (all: readonly TreeEntry[]) => [...all].sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
  holds(entries, 500, (given) => expect(decodeTree(encodeTree(given))).toEqual(sorted(given)));
  const pieces = [
    "coffer tree 1\n",
    "100644 ",
    "120000 ",
    "040755 ",
    "a".repeat(64),
    " 5 ",
    '"a"',
    '"../x"',
    '"a/b"',
    '"/etc"',
    ' ".."',
    ' "a/../.."',
    "\n",
    '"a\\u0000"',
    '"\\ud800"',
    "9".repeat(17),
  ];
  holds(
    textOf(pieces, 12).map((text) => `coffer tree 1\n${text}\n`),
    3000,
    (text) => {
      for (const { path } of taken(() => decodeTree(Buffer.from(text))) ?? [])
        expect(path.split("/").some((one) => ["", ".", ".."].includes(one))).toBe(false);
    },
  );
});

test("credentials files, .netrc, addresses and retry settings are read, or refused without showing what is in them", () => {
  const secret = "s3cr3t-s3cr3t";
  const pieces = [
    "[mlflow]\n",
    "[",
    "]",
    "mlflow_tracking_username",
    "mlflow_tracking_password",
    " = ",
    ": ",
    "\n",
    "\n ",
    "%",
    "%(a)s",
    "%%",
    "#",
    ";",
    "machine ",
    "login ",
    "password ",
    "default ",
    "macdef x\n",
    '"',
    "\\",
    secret,
  ];
  holds(textOf(pieces), 3000, (text) => {
    try {
      readIniSection(text, "mlflow");
    } catch (error) {
      expect([error instanceof IniFault, String(error).includes(secret)]).toEqual([true, false]);
    }
    findInNetrc(text, "h");
  });
  const address = [
    "http",
    "https",
    "ftp",
    "s3",
    ":",
    "//",
    "/",
    "\\",
    "@",
    "[",
    "]",
    "::1",
    "host",
    "5000",
    "99999",
    "?",
    "#",
    "%",
    "%zz",
    "user",
    `:${secret}@`,
    " ",
    ".",
    "file",
    "mlflow-artifacts",
  ];
  holds(fc.tuple(textOf(address, 10), textOf(address, 10)), 3000, ([text, other]) => {
    const env = { HOME: "/nonexistent" };
    const connection = taken(() => connect({ uri: text, env: { ...env, HTTP_PROXY: other, https_proxy: other } }));
    if (connection && !text.includes("#") && !/[/?\\].*s3cr3t/.test(text)) expect(connection.displayUri).not.toContain(secret);
    const server = connect({ uri: "http://h:1", env });
    const destination = taken(() => destinationOf(server, text));
    if (destination?.kind === "proxied")
      expect([destination.url.startsWith("http://h:1/"), directoryOn("/disk", destination).startsWith("/disk")]).toEqual([true, true]);
    expect(redactText(`see http://u:${secret}@h/ ${text}`, [secret])).not.toContain(secret);
    taken(() => readRetrySettings({ MLFLOW_HTTP_REQUEST_MAX_RETRIES: text }));
  });
});

test("patterns and remote names take any path", () => {
  holds(
    fc.tuple(
      textOf(["*", "**", "/", "?", "[", "]", "{", "}", ",", "!", "a", "b", ".", "\\", "-"], 14),
      textOf(["a", "b", "/", ".", " "], 12),
    ),
    3000,
    ([pattern, path]) => {
      expect(typeof matcher([pattern])(path)).toBe("boolean");
      const { path: there } = taken(() => remoteName(path)) ?? { path: "x" };
      expect(there.split("/").some((one) => one === "..")).toBe(false);
    },
  );
});

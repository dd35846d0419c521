// Reads long texts that would keep a pattern or a recursion busy for hours, and says each one's name first: whoever started this knows then where it ended.
import { closest } from "../../src/domain/closest.ts";
import { CofferError } from "../../src/domain/error.ts";
import { decodeTree } from "../../src/blobs/decode-tree.ts";
import { displayRemote, displayUrl, isSecretName } from "../../src/domain/secret.ts";
import { holdsToken, knownSecrets, redactText } from "../../src/domain/redact.ts";
import { parseAssignment, parseMetric, parseNumber } from "../../src/domain/assignment.ts";
import { parseBytes, parseDuration } from "../../src/domain/quantity.ts";
import { parseExecutionPath } from "../../src/domain/execution-path.ts";
import { parseMoment } from "../../src/domain/moment.ts";
import { parsePythonJson } from "../../src/domain/python-json.ts";
import { interpolate } from "../../src/config/interpolate.ts";
import { parseConfig } from "../../src/config/parse.ts";
import { parseManifest } from "../../src/manifest/read/parse-manifest.ts";
import { elementsOf, textOf } from "../../src/mlflow/artifacts/object-store.ts";
import { remoteName } from "../../src/mlflow/artifacts/remote-name.ts";
import { IniFault, readIniSection } from "../../src/mlflow/http/ini.ts";
import { findInNetrc } from "../../src/mlflow/http/netrc.ts";
import { readFailure } from "../../src/mlflow/http/refusal.ts";
import { remoteKey } from "../../src/mlflow/tracking/remote-key.ts";
import { parseCondition, parseSort } from "../../src/registry/where.ts";

/** Characters: a look at each of them takes milliseconds, one from each of them to the end minutes. */
const LONG = 200_000;
/** A slower reader, of smaller files. */
const CONFIG = 16 << 10;
const ERROR = 64 << 10;

const READERS: Record<string, readonly [read: (text: string) => unknown, longest: number]> = {
  closest: [(text) => closest(text, ["model", "models"]), LONG],
  decodeTree: [(text) => decodeTree(Buffer.from(`coffer tree 1\n${text}\n`)), LONG],
  displayUrl: [displayUrl, LONG],
  displayRemote: [displayRemote, LONG],
  elementsOf: [(text) => elementsOf(text, "Key"), LONG],
  findInNetrc: [(text) => findInNetrc(text, "h"), LONG],
  holdsToken: [holdsToken, LONG],
  interpolate: [(text) => interpolate(text, {}), LONG],
  isSecretName: [isSecretName, LONG],
  knownSecrets: [(text) => knownSecrets({ A: text }), LONG],
  parseAssignment: [(text) => parseAssignment("tag", text), LONG],
  parseBytes: [parseBytes, LONG],
  parseCondition: [(text) => parseCondition(`params.a = ${text}`), LONG],
  parseConfig: [parseConfig, CONFIG],
  parseDuration: [parseDuration, LONG],
  parseExecutionPath: [parseExecutionPath, LONG],
  parseManifest: [(text) => parseManifest(text, "manifest.yaml"), LONG],
  parseMetric: [parseMetric, LONG],
  parseMoment: [parseMoment, LONG],
  parseNumber: [parseNumber, LONG],
  parsePythonJson: [(text) => parsePythonJson(`${text} NaN`), LONG],
  parseSort: [(text) => parseSort(text), LONG],
  readFailure: [(text) => readFailure(500, text), ERROR],
  readIniSection: [(text) => readIniSection(`[mlflow]\n${text}`, "mlflow"), LONG],
  redactText: [(text) => redactText(text, []), LONG],
  remoteKey: [(text) => remoteKey(text), LONG],
  remoteName: [remoteName, LONG],
  textOf: [(text) => textOf(text, "Key"), LONG],
};

/** Repeated until the text is long; a pair has its first part once, in front. */
const UNITS: readonly (string | readonly [string, string])[] = [
  ..."aA0. \t\n/\\:@'\"<>?&=;#[]{}%-_,!*|~\0é",
  ...[
    "a://",
    "://",
    "?a",
    "a?",
    "a:",
    "a@",
    "eyJ-",
    "eyJaaaaaaaaaaaaa.",
    "password ",
    "token=",
    "Basic ",
    "sk-",
    '\\"',
    "<Key>",
    "<title",
    "%(a)s",
    "${",
    "${a",
    " a",
  ],
  ...[
    "- ",
    "? ",
    "&a ",
    "*a ",
    "a: ",
    "[1,",
    "{a: ",
    "--- ",
    "---\n",
    "%A\n",
    "!a ",
    "!!str ",
    "'a' ",
    '"a" ',
    "| ",
    "\r\n",
    "a: 1\n",
    "#\n",
    "<<: *a\n",
    "a\n\n",
    "- -\n",
  ],
  ...["machine ", "macdef a\n\n", "#\na ", "a=1\n", "a\n b", "[a]\n"],
  ...([
    ["x", " "],
    ["<", "a"],
    ['["', "a"],
    ['"', '\\"'],
    ["a: &a x\nb: [", "*a,"],
    ["a: &a {}\nb: {<<: [", "*a,"],
    ["a: '", "''"],
    ['a: "', "\\x41"],
  ] as const),
  ...([
    ["metadata: ", "[]"],
    ["a: >\n", "  x\n"],
    ["size = x", " "],
    ["100644 ", "a"],
    ['120000 "', '\\"'],
    ["/", "../"],
    ["a", "/.."],
  ] as const),
  ...([
    ["hf_", "a"],
    ["eyJ", "a"],
    ["x=", "="],
    ["http://u:", "'<"],
    ["http://", ":["],
  ] as const),
];

const only = process.argv[2];
for (const [name, [read, longest]] of Object.entries(READERS)) {
  if (only !== undefined && only !== name) continue;
  for (const unit of UNITS)
    for (const end of ["", " http://u:p@h/", "\0!"]) {
      const [front, again] = typeof unit === "string" ? ["", unit] : unit;
      console.log(`${name} of ${JSON.stringify([front, again, end])}`);
      try {
        read((front + again.repeat(longest / again.length)).slice(0, longest - end.length) + end);
      } catch (error) {
        if (!(error instanceof CofferError || error instanceof IniFault || error instanceof SyntaxError)) throw error;
      }
    }
}

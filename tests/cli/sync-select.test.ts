import { expect, test } from "bun:test";
import { faultyProxy } from "../support/faulty-proxy.ts";
import type { Preview } from "../../src/sync/pending/preview.ts";
import type { DeliveryReport } from "../../src/sync/report.ts";
import { coffer } from "../support/coffer.ts";
import { mlflow, needsMlflow } from "../support/mlflow.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import type { TemporaryRoot } from "../support/temporary-root.ts";

const live = needsMlflow(test);
const NOWHERE = "http://127.0.0.1:1";

async function wrap(root: TemporaryRoot, flags: string[], line = "true"): Promise<string> {
  const result = await coffer(["run", "--json", ...flags, "--", "sh", "-c", line], { root: root.at("store"), cwd: root.path });
  return result.json<{ id: string }>().id;
}

function sync(root: TemporaryRoot, words: string[], uri = NOWHERE) {
  return coffer(["sync-mlflow", ...words], {
    root: root.at("store"),
    cwd: root.path,
    env: { MLFLOW_HTTP_REQUEST_MAX_RETRIES: "0", MLFLOW_TRACKING_URI: uri, MLFLOW_EXPERIMENT_NAME: "selected" },
  });
}

async function planned(root: TemporaryRoot, ...words: string[]): Promise<string[]> {
  const plan = await sync(root, ["--dry-run", "--json", ...words]);
  expect([plan.code, plan.stderr]).toEqual([
    0,
    words.includes("other") ? "coffer: no experiment is called “other”: there is selected\n" : "",
  ]);
  return plan.json<Preview & Record<string, unknown>>().runs.map(({ run }) => run);
}

test("filters choose as those of coffer runs do, and narrow the runs that are named", async () => {
  using root = temporaryRoot();
  const churn = await wrap(root, ["--pipeline", "churn", "--dataset", "corn", "--tag", "team=a"]);
  const failed = await wrap(root, ["--pipeline", "churn", "--tag", "team=b", "--tag", "night=1"], "exit 3");
  const plain = await wrap(root, []);
  const cases: [string[], string[]][] = [
    [[], [churn, failed, plain]],
    [
      ["--pipeline", "churn"],
      [churn, failed],
    ],
    [["--pipeline", "churn", "--state", "finished"], [churn]],
    [["--dataset", "corn"], [churn]],
    [
      ["--tag", "team"],
      [churn, failed],
    ],
    [["--tag", "team=b", "--tag", "night"], [failed]],
    [["--state", "failed"], [failed]],
    [
      ["--since", "1h"],
      [churn, failed, plain],
    ],
    [["--since", "2999-01-01"], []],
    [
      ["--experiment", "selected"],
      [churn, failed, plain],
    ],
    [["--experiment", "other"], []],
    [[churn, plain, "--pipeline", "churn"], [churn]],
  ];
  for (const [words, chosen] of cases) {
    expect([words, await planned(root, ...words)]).toEqual([words, chosen]);
    if (words.includes(plain) || words.includes("--experiment")) continue;
    const listed = (await coffer(["runs", "--json", ...words], { root: root.at("store") })).json<{ runs: { id: string }[] }>().runs;
    expect([words, listed.map(({ id }) => id).toReversed()]).toEqual([words, chosen]);
  }
});

live("only what a filter lets through is sent", async () => {
  using root = temporaryRoot();
  await using proxy = await faultyProxy(mlflow.proxied.uri, () => undefined);
  const churn = await wrap(root, ["--pipeline", "churn"]);
  const plain = await wrap(root, []);
  const some = await sync(root, ["--pipeline", "churn", "--json"], proxy.uri);
  expect(some.json()).toMatchObject({ synced: 1, left: 0, runs: [{ run: churn }] });
  proxy.requests.length = 0;
  const again = await sync(root, ["--pipeline", "churn", "--json"], proxy.uri);
  expect([again.code, again.json<DeliveryReport & Record<string, unknown>>().runs, proxy.requests]).toEqual([0, [], []]);
  const rest = await sync(root, ["--json"], proxy.uri);
  expect(rest.json()).toMatchObject({ synced: 1, runs: [{ run: plain }] });
});

test("a dry run names every file as the server would have it, and says what would be different there", async () => {
  using root = temporaryRoot();
  const id = await wrap(
    root,
    [],
    'cd "$COFFER_WORKSPACE"; mkdir plots plots/empty; echo 1 >plots/roc.png; ln -s roc.png plots/link; echo 22 >"loss#1.txt"',
  );
  const plan = await sync(root, ["--dry-run", "--json"]);
  const [run] = plan.json<Preview & Record<string, unknown>>().runs;
  const paths = run?.sends.map(({ path, size }) => [path.replace(/-[0-9a-f]{6}/, "-…"), size]).toSorted();
  expect(paths).toEqual([
    ["loss_1-….txt", 3],
    ["plots/roc.png", 2],
  ]);
  expect(run).toMatchObject({ run: id, remote_run: null, files: 2, bytes: 5 });
  expect(run?.notes.join("\n")).toMatch(/plots\/link is a link[^]*plots\/empty is an empty directory|plots\/empty[^]*plots\/link/);
  expect(run?.notes.join("\n")).toContain("loss#1.txt is called loss_1-");

  const words = await sync(root, ["--dry-run"]);
  expect(words.stdout).toContain(id);
  expect(words.stdout).not.toContain("plots/roc.png");
  const verbose = await sync(root, ["--dry-run", "--verbose"]);
  expect(verbose.stdout).toMatch(new RegExp(`FILES OF ${id} +BYTES\n`));
  expect(verbose.stdout).toMatch(/^plots\/roc\.png +2 B$/m);
});

test("words that do not go together, and numbers that are none, are exit 2 with what to do", async () => {
  using root = temporaryRoot();
  await wrap(root, []);
  const cases: [string[], RegExp][] = [
    [["--jobs", "0"], /--jobs/],
    [["--jobs", "-3"], /--jobs/],
    [["--jobs", "many"], /--jobs/],
    [["--since", "yesterday"], /--since yesterday: neither a date nor a duration[^]*2026-09-01/],
    [["--watch", "--dry-run"], /--watch does not go with --dry-run/],
    [["--watch", "--check"], /--watch does not go with --check/],
    [["--watch", "--verify", "bytes"], /--watch does not go with --verify/],
    [["--interval", "2s"], /--interval goes with --watch/],
    [["--stay"], /--stay goes with --watch/],
    [["--watch", "--interval", "fast"], /not a duration/],
    [["--watch", "--interval", "0"], /too short/],
    [["--dry-run", "--events"], /--events does not go with --dry-run/],
  ];
  for (const [words, why] of cases) {
    const { code, stderr, stdout } = await sync(root, words);
    expect([words, code, stdout]).toEqual([words, 2, ""]);
    expect(stderr).toMatch(why);
    expect(stderr).toContain("hint: ");
  }
});

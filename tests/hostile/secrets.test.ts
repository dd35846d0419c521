import { chmodSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { coffer } from "../support/coffer.ts";
import { git } from "../support/git.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import type { TemporaryRoot } from "../support/temporary-root.ts";

/** A word that nobody else has, by where it was given. */
function plant(): Record<string, string> & { made: Map<string, string> } {
  const made = new Map<string, string>();
  const make = (route: string): string =>
    made.get(route) ?? (made.set(route, crypto.randomUUID().replaceAll("-", "")), made.get(route) as string);
  return new Proxy({ made }, { get: (target, route) => (route === "made" ? target.made : make(String(route))) }) as never;
}

/** As they are, and in what HTTP makes of them. */
function formsOf(secret: string): string[] {
  const inBasic = [0, 1, 2].map((offset) =>
    Buffer.from(`${"x".repeat(offset)}${secret}`)
      .toString("base64")
      .slice(Math.ceil((offset * 4) / 3) + 1, -4),
  );
  return [secret, ...inBasic];
}

/** Every file, name and link below a directory that holds one of them. */
function leaksIn(directory: string, secrets: ReadonlyMap<string, string>, isTheirs: (path: string) => boolean = () => false): string[] {
  const leaks: string[] = [];
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (isTheirs(path)) continue;
    const bytes = entry.isFile() ? readFileSync(path) : Buffer.from(entry.isSymbolicLink() ? readlinkSync(path) : "");
    for (const [route, secret] of secrets)
      for (const form of formsOf(secret))
        if (bytes.includes(form) || entry.name.includes(form)) leaks.push(`${route} in ${path.slice(directory.length)}`);
  }
  return leaks;
}

/** `git` as coffer finds it, which notes with what arguments it was started. */
function notedGit(root: TemporaryRoot): string {
  const real = Bun.which("git") as string;
  mkdirSync(root.at("bin"));
  writeFileSync(root.at("bin/git"), `#!/bin/sh\nprintf '%s\\n' "$*" >>'${root.at("git-arguments")}'\nexec '${real}' "$@"\n`);
  chmodSync(root.at("bin/git"), 0o755);
  return `${root.at("bin")}:${process.env["PATH"]}`;
}

/** A server that refuses in many ways, and says back all that it was told: whatever it hears must not be heard from us. */
function tellTale(secrets: Record<string, string>) {
  let asked = 0;
  return Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const heard = [...request.headers].map(([name, value]) => `${name}: ${value}`).join(" ");
      const [status, more] = (
        [
          [401, {}],
          [403, {}],
          [400, {}],
          [302, { location: `http://u:${secrets["redirect"]}@127.0.0.1:1/?token=${secrets["redirect"]}` }],
          [500, {}],
        ] as const
      )[asked++ % 5] as [number, Record<string, string>];
      return Response.json({ error_code: "X", message: `you said ${heard} to ${request.url}` }, { status, headers: more });
    },
  });
}

test("what proves who somebody is reaches no byte of the store, no word and no process, whichever way it is given", async () => {
  using root = temporaryRoot();
  const s = plant();
  await using server = tellTale(s);
  const at = `127.0.0.1:${server.port}`;
  const work = root.at("project");
  for (const directory of ["home/.mlflow", "project/sub", "out"]) mkdirSync(root.at(directory), { recursive: true });
  writeFileSync(
    root.at("home/.mlflow/credentials"),
    `[mlflow]\nmlflow_tracking_username = filed\nmlflow_tracking_password = ${s["credentials file"]}\n`,
  );
  writeFileSync(join(work, "coffer.yaml"), `tracking: {mlflow: {uri: "http://configured:${s["configuration"]}@${at}"}}\n`);
  writeFileSync(join(work, "train.py"), "print(1)\n");
  git(work, "init", "-q");
  git(work, "add", "train.py");
  git(work, "commit", "-qm", "first");
  git(work, "remote", "add", "origin", `https://oauth2:${s["git remote"]}@example.org/x.git`);
  writeFileSync(join(work, "train.py"), "print(2)\n");
  writeFileSync(join(work, ".env"), `KEY=${s["dotenv"]}\n`);
  writeFileSync(join(work, "id_rsa"), `-----BEGIN OPENSSH PRIVATE KEY-----\n${s["key file"]}\n`);

  const base = {
    PATH: notedGit(root),
    HOME: root.at("home"),
    MLFLOW_HTTP_REQUEST_MAX_RETRIES: "1",
    MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR: "0",
  };
  const aws = {
    AWS_ACCESS_KEY_ID: `AKIA${s["aws id"]}`,
    AWS_SECRET_ACCESS_KEY: s["aws secret"] as string,
    AWS_SESSION_TOKEN: s["aws session"] as string,
  };
  const own = {
    MY_SERVICE_TOKEN: s["environment"] as string,
    DATABASE_URL: `postgres://u:${s["url in environment"]}@db/x`,
    WANDB_API_KEY: s["wandb"] as string,
    ...aws,
  };
  const routes: Record<string, string>[] = [
    {
      MLFLOW_TRACKING_URI: `http://${at}`,
      MLFLOW_TRACKING_USERNAME: "named",
      MLFLOW_TRACKING_PASSWORD: s["password"] as string,
    },
    { MLFLOW_TRACKING_URI: `http://${at}`, MLFLOW_TRACKING_TOKEN: s["token"] as string, HOME: "/nonexistent" },
    { MLFLOW_TRACKING_URI: `http://${at}` },
    { MLFLOW_TRACKING_URI: `http://given:${s["uri"]}@${at}` },
    { MLFLOW_TRACKING_URI: `http://given:${s["uri, unreachable"]}@127.0.0.1:9` },
    { MLFLOW_TRACKING_URI: `http://given:${s["uri, malformed"]}/@${at}` },
    { MLFLOW_TRACKING_URI: "http://elsewhere.invalid:5000", http_proxy: `http://proxied:${s["proxy"]}@${at}` },
    { MLFLOW_TRACKING_URI: "http://elsewhere.invalid:5000", http_proxy: `http://proxied:${s["proxy, unreachable"]}@127.0.0.1:9` },
    { NETRC: root.at("netrc"), MLFLOW_TRACKING_URI: `http://${at}` },
    {},
  ];
  writeFileSync(root.at("netrc"), `machine 127.0.0.1 login net password ${s["netrc"]}\n`);

  const said: string[] = [];
  const tell = async (env: Record<string, string>, ...args: string[]): Promise<string> => {
    const { stdout, stderr, code } = await coffer(args, { root: root.at("store"), cwd: work, env: { ...base, ...own, ...env } });
    said.push(`$ ${args[0]}\n${stdout}\n${stderr}`);
    expect([args.join(" ").slice(0, 60), code === null || code > 5 || /internal error|    at /.test(stderr) ? stderr : ""]).toEqual([
      args.join(" ").slice(0, 60),
      "",
    ]);
    return stdout;
  };
  const script = `cd "$COFFER_WORKSPACE" && echo model >m.bin && echo '{"api_key": "${s["params file"]}", "lr": 0.1, "note": "Bearer ${s["bearer in params"]}"}' >params.json`;
  writeFileSync(root.at("child.sh"), script);
  const given = [
    `--password=${s["argument"]}`,
    "--api-key",
    s["argument behind"] as string,
    `http://u:${s["argument url"]}@h/`,
    `--header=Authorization: Bearer ${s["argument header"]}`,
  ];
  for (const [nth, env] of routes.entries()) {
    const wrapped = ["--", "sh", "-c", '. "$0"', root.at("child.sh"), ...(nth === 0 ? given : [])];
    await tell(
      env,
      "run",
      "--name",
      `run-${nth}`,
      "--param",
      `token=${s["param"]}`,
      "--tag",
      `secret=${s["tag"]}`,
      ...(nth % 2 ? ["--json"] : []),
      ...wrapped,
    );
    await tell(env, "sync-mlflow", ...(nth % 2 ? ["--json"] : ["--verbose"]));
  }
  const first = routes[0] as Record<string, string>;
  await tell(
    first,
    "log",
    "train.py",
    "--name",
    "script",
    "--param",
    `password=${s["log param"]}`,
    "--description",
    `with ${s["environment"]}`,
  );
  for (const env of routes) await tell(env, "doctor", "--json");
  for (const command of [
    "doctor",
    "config show",
    "config show --json",
    "config validate",
    "runs --json",
    "ls --json",
    "show script --json",
    "stats --json",
    "verify",
    "gc --json",
    "gc --apply",
    "lineage script",
    "sync-mlflow --check",
  ])
    await tell(first, ...command.split(" "));
  await tell(first, "backup", root.at("out/backup"), "--with-bytes");
  await tell(first, "manifest", "export", "--dataset", "default", "--with-bytes", "-o", root.at("out/exported"));
  expect(readdirSync(root.at("out")).sort()).toEqual(["backup", "exported"]);
  const secrets = s.made;
  expect(secrets.size).toBeGreaterThan(25);

  // what the child itself wrote is its own, in its workspace and where it is kept
  const isTheirs = (path: string): boolean => /\/params\.json$|\/config_-_[0-9a-f]{12}\.json$/.test(path);
  const words = new Map([...secrets].filter(([, secret]) => formsOf(secret).some((form) => said.some((text) => text.includes(form)))));
  expect(
    [...words.keys()].map((route) => `${route}: ${said.find((text) => text.includes(words.get(route) as string))?.slice(0, 2000)}`),
  ).toEqual([]);
  expect(leaksIn(root.at("store"), secrets, isTheirs)).toEqual([]);
  expect(leaksIn(root.at("out"), secrets, isTheirs)).toEqual([]);
  const started = readFileSync(root.at("git-arguments"), "utf8");
  expect([...secrets].filter(([, secret]) => started.includes(secret))).toEqual([]);
}, 180_000);

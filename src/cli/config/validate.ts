import { ConfigError } from "../../config/file.ts";
import type { ConfigProblem } from "../../config/file.ts";
import { requireUsableType } from "../../config/usable-type.ts";
import { loadSettings } from "../../config/settings.ts";
import { CofferError, EXIT } from "../../domain/error.ts";
import { command } from "../command.ts";
import type { Io } from "../io.ts";

interface Validated {
  schema: "coffer.config-validate/1";
  ok: boolean;
  /** The files that were found good, the project's first. */
  files: string[];
  /** `line` and `column` count from 1; a problem that shows only when all is put together (roots that overlap) has no file. */
  problems: (Partial<ConfigProblem> & { message: string; hint: string })[];
}

export default command(
  {
    flags: {},
    positionals: [{ name: "FILE", description: "a file to check in place of the project's" }],
    about:
      "Reads the project's and the user's file and the environment, and lists every problem with file, line and column. Nothing is made or changed.",
    examples: [
      ["coffer config validate", "check what holds here"],
      ["coffer config validate ci/coffer.yaml", "check one file"],
    ],
    exits: { "2": "wrong usage, or the configuration has problems" },
  },
  async ({ positionals: [file], io }) => {
    const result = await validate(file, io);
    io.print(result, render);
    return result.ok ? EXIT.done : EXIT.usage;
  },
);

async function validate(file: string | undefined, io: Io): Promise<Validated> {
  try {
    const settings = file === undefined ? await io.settings() : await loadSettings({ flags: { config: file }, env: io.env, cwd: io.cwd });
    requireUsableType(settings.values);
    return {
      schema: "coffer.config-validate/1",
      ok: true,
      files: [settings.file, settings.userFile].filter((path) => path !== undefined),
      problems: [],
    };
  } catch (error) {
    if (!(error instanceof CofferError)) throw error;
    const problems = error instanceof ConfigError ? [...error.problems] : [{ message: error.message, hint: error.hint ?? "" }];
    return { schema: "coffer.config-validate/1", ok: false, files: [], problems };
  }
}

function render({ ok, files, problems }: Validated): string {
  if (ok) return files.length === 0 ? "ok: no configuration file, the defaults hold" : files.map((file) => `ok: ${file}`).join("\n");
  return problems
    .map(({ file, line, column, message, hint }) => `${file === undefined ? "" : `${file}:${line}:${column}: `}${message}\n  hint: ${hint}`)
    .join("\n");
}

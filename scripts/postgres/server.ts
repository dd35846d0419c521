import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SQL } from "bun";
import { runToEnd } from "../parts/run-to-end.ts";
import { startProgram, waitUntil } from "../parts/program.ts";
import type { Program } from "../parts/program.ts";
import type { PostgresBinaries } from "./binaries.ts";

export interface PostgresStart {
  binaries: PostgresBinaries;
  /** Made where it is missing; holds the data and the log. */
  directory: string;
  python: string;
  port: number;
  user: string;
  password: string;
  database: string;
}

/** A new PostgreSQL on loopback that asks for its password as the official image does, with one empty database. Ready within two seconds. */
export async function startPostgres(start: PostgresStart): Promise<Program> {
  const { binaries, directory, python, port, user, password, database } = start;
  const [data, secret] = [join(directory, "data"), join(directory, "password")];
  mkdirSync(directory, { recursive: true });
  writeFileSync(secret, `${password}\n`, { mode: 0o600 });
  const as = asNobody();
  const make = ["-D", data, "-U", user, `--pwfile=${secret}`, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"];
  await runToEnd([...as, binaries.initdb, ...make], "initdb failed", directory);
  rmSync(secret);
  const settings = ["listen_addresses=127.0.0.1", `port=${port}`, "unix_socket_directories=", "fsync=off"];
  const program = startProgram({
    python,
    command: [...as, binaries.postgres, "-D", data, ...settings.flatMap((setting) => ["-c", setting])],
    cwd: directory,
    env: { PATH: process.env["PATH"] ?? "", LC_ALL: "C" },
    log: join(directory, "postgres.log"),
  });
  try {
    await waitUntil(program, { name: "PostgreSQL", patience: 60_000 }, () => makeDatabase(start, `CREATE DATABASE "${database}"`));
  } catch (error) {
    await program.stop();
    throw error;
  }
  return program;
}

/** False where it does not take connections yet. */
async function makeDatabase({ port, user, password }: PostgresStart, statement: string): Promise<boolean> {
  const sql = new SQL({ hostname: "127.0.0.1", port, username: user, password, database: "postgres", max: 1 });
  try {
    await sql.unsafe(statement);
    return true;
  } catch (error) {
    const { code, errno } = error as { code?: unknown; errno?: unknown };
    // 57P03: it is starting up
    if (code === "ERR_POSTGRES_CONNECTION_REFUSED" || code === "ERR_POSTGRES_CONNECTION_CLOSED" || errno === "57P03") return false;
    throw error;
  } finally {
    await sql.close();
  }
}

/**
 * PostgreSQL refuses to run as root, which CI often is. So it runs as nobody, with root's right to pass through directories: binaries and data may
 * lie in a home that nobody else may enter.
 */
function asNobody(): string[] {
  if (process.getuid?.() !== 0) return [];
  const only = "-all,+dac_override";
  return [
    ...["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"],
    // access(2), by which initdb looks for its companion, would forget that right without no_setuid_fixup
    ...["--securebits=+no_setuid_fixup", `--inh-caps=${only}`, `--ambient-caps=${only}`, `--bounding-set=${only}`, "--"],
  ];
}

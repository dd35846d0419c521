// Started by mount-disk.ts: `bun serve.ts MOUNT_POINT LOG TYPE`; with `try` behind it, it only looks whether it can. A file system in memory, of which each change is logged, and which fails where it is told to.
import { Faults } from "./faults.ts";
import type { Fault } from "./faults.ts";
import { FileSystem } from "./file-system.ts";
import { Connection, OP, dieWithParent, entryAnswer, initAnswer, openAnswer, writeAnswer } from "./kernel.ts";
import type { Call } from "./kernel.ts";
import { OperationLog } from "./operation-log.ts";

/** Orders are written to this name in the root; what happened is read from it. No directory lists it. */
const STEERING = ".steer";
const STEERING_NODE = 2;

const [mountPoint, logPath, type, only] = process.argv.slice(2) as [string, string, string, "try"?];
const faults = new Faults();
const log = new OperationLog(logPath);
const files = new FileSystem(faults, log);
dieWithParent();
const kernel = new Connection(mountPoint, type);
process.stdout.write("mounted\n");
if (only === "try") process.exit();
for (let call = kernel.next(); call; call = kernel.next()) {
  if (call.opcode === OP.forget || call.opcode === OP.batchForget || call.opcode === OP.interrupt) continue;
  kernel.answer(call.unique, call.opcode === OP.init ? initAnswer() : (steer(call) ?? files.serve(call)));
}
log.close();

/** Undefined where the call is for the files. */
function steer(call: Call): Buffer | number | undefined {
  if (call.opcode === OP.lookup && call.node === 1 && call.body.toString("utf8", 0, call.body.length - 1) === STEERING)
    return entryAnswer(steering());
  if (call.node !== STEERING_NODE) return undefined;
  switch (call.opcode) {
    case OP.open:
      return openAnswer(true);
    case OP.write: {
      const size = call.body.readUInt32LE(16);
      obey(JSON.parse(call.body.toString("utf8", 40, 40 + size)) as Order);
      return writeAnswer(size);
    }
    case OP.read: {
      const from = Number(call.body.readBigUInt64LE(8));
      return Buffer.from(JSON.stringify({ hit: faults.hit })).subarray(from);
    }
    case OP.getattr:
    case OP.setattr:
      return Buffer.concat([Buffer.alloc(16), entryAnswer(steering()).subarray(40)]);
    default:
      return 0;
  }
}

interface Order {
  faults?: Fault[];
  mark?: string;
}

function obey({ faults: armed, mark }: Order): void {
  if (armed) faults.arm(armed);
  if (mark !== undefined) log.add({ op: "mark", words: mark, path: "" });
}

function steering() {
  return {
    ino: STEERING_NODE,
    kind: "file" as const,
    mode: 0o600,
    data: Buffer.alloc(0),
    size: 0,
    target: "",
    entries: new Map<string, number>(),
    names: new Map([["", { dir: 1, name: STEERING }]]),
    mtime: 0n,
    ctime: 0n,
  };
}

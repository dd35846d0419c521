import { borg } from "./borg.ts";
import { dvcAdd, dvcCheckout, dvcExperiment, dvcRepro } from "./dvc.ts";
import { guild } from "./guild.ts";
import { mlflow } from "./mlflow.ts";
import { oxen } from "./oxen.ts";
import type { Peer } from "./peer.ts";
import { restic } from "./restic.ts";
import { wandb } from "./wandb.ts";

type Install = (say: (words: string) => void) => Promise<Peer>;

/** MB: what it takes on the disk, of which a little less is downloaded; those of DVC are one program. */
const PEERS = {
  restic: { install: restic, size: 30 },
  borg: { install: borg, size: 6 },
  dvc: { install: dvcAdd, size: 190 },
  wandb: { install: wandb, size: 125 },
  oxen: { install: oxen, size: 695 },
  "dvc-checkout": { install: dvcCheckout, size: 190 },
  "dvc-repro": { install: dvcRepro, size: 190 },
  "dvc-experiment": { install: dvcExperiment, size: 190 },
  guild: { install: guild, size: 450 },
  mlflow: { install: mlflow, size: 850 },
} satisfies Record<string, { install: Install; size: number }>;

export type PeerName = keyof typeof PEERS;

export interface Peers {
  /** Undefined: it cannot be had here. */
  get(name: PeerName): Peer | undefined | Promise<Peer | undefined>;
}

/** Installs who is asked for, each once, into folders that git ignores. Who cannot be had here is said, and left out. */
export function peersOnDemand(say: (words: string) => void): Peers {
  const asked = new Map<PeerName, Promise<Peer | undefined>>();
  return {
    get(name) {
      const peer = asked.get(name) ?? installPeer(name, say);
      asked.set(name, peer);
      return peer;
    },
  };
}

async function installPeer(name: PeerName, say: (words: string) => void): Promise<Peer | undefined> {
  const { install, size }: { install: Install; size: number } = PEERS[name];
  say(`${name}: installed where it is missing, ${size} MB …`);
  try {
    return await install(say);
  } catch (error) {
    say(`${name} is left out: ${(error as Error).message}`);
    return undefined;
  }
}

import { borg } from "./borg.ts";
import { dvcAdd, dvcCheckout, dvcExperiment, dvcRepro } from "./dvc.ts";
import { guild } from "./guild.ts";
import { mlflow } from "./mlflow.ts";
import { oxen } from "./oxen.ts";
import type { Peer } from "./peer.ts";
import { restic } from "./restic.ts";
import { wandb } from "./wandb.ts";

const PEERS = {
  restic,
  borg,
  dvc: dvcAdd,
  wandb,
  oxen,
  "dvc-checkout": dvcCheckout,
  "dvc-repro": dvcRepro,
  "dvc-experiment": dvcExperiment,
  guild,
  mlflow,
} satisfies Record<string, (say: (words: string) => void) => Promise<Peer>>;

export type PeerName = keyof typeof PEERS;
export type Peers = ReadonlyMap<PeerName, Peer>;

/** Installs everybody, each once, into folders that git ignores. Who cannot be had here is said, and left out. */
export async function installPeers(say: (words: string) => void): Promise<Peers> {
  const peers = new Map<PeerName, Peer>();
  for (const [name, install] of Object.entries(PEERS) as [PeerName, (typeof PEERS)[PeerName]][]) {
    try {
      peers.set(name, await install(say));
    } catch (error) {
      say(`${name} is left out: ${(error as Error).message}`);
    }
  }
  return peers;
}

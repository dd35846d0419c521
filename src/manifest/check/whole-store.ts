import type { Elsewhere } from "../../store/damage/copies.ts";
import type { Damage } from "../../store/damage/damage.ts";
import type { Repair } from "../../store/damage/repair.ts";
import type { Store } from "../../store/store.ts";
import { verify } from "../../store/damage/verify.ts";
import type { Verified, VerifyOptions } from "../../store/damage/verify.ts";

/** Bytes, rows and the database, and then manifests and rows against each other, as far as the rows can be asked at all. */
export async function verifyWhole(store: Store, options: VerifyOptions): Promise<Verified> {
  const found = await verify(store, options);
  await checkBeside(store, found, options);
  return found;
}

export interface RepairWholeOptions {
  /** More places to look in, by everything that lies below them. */
  directories: readonly string[];
  elsewhere: readonly Elsewhere[];
  stop: () => boolean;
}

/** Repairs what `verifyWhole` has found. Manifests come last: they are written anew from rows, so the database has to be whole. */
export async function repairWhole(store: Store, found: Verified, options: RepairWholeOptions): Promise<Repair> {
  const { repair } = await import("../../store/damage/repair.ts");
  const isManifest = ({ what }: Damage): boolean => what === "manifest";
  const done = await repair(store, { ...found, damage: found.damage.filter((one) => !isManifest(one)) }, options);
  const beside: Verified = { ...found, damage: found.damage.filter(isManifest) };
  if (done.damage.some(isOfDatabase)) return { ...done, damage: [...done.damage, ...beside.damage] };
  // where indexes were damaged, nobody could ask the rows before
  if (found.damage.some(isOfDatabase)) await checkBeside(store, beside, { share: 1, random: Math.random, stop: options.stop });
  const { repairManifests } = await import("./repair-manifests.ts");
  const left = beside.damage.some(isOfDatabase) ? beside.damage : repairManifests(store, beside.damage, done);
  return { ...done, damage: [...done.damage, ...left] };
}

async function checkBeside(store: Store, found: Verified, { share, random, stop = () => false }: VerifyOptions): Promise<void> {
  if (found.interrupted || found.damage.some(isOfDatabase)) return;
  const { checkManifests } = await import("./check-manifests.ts");
  found.damage.push(...(await checkManifests(store, { share, random, stop })));
  found.interrupted = stop();
}

const isOfDatabase = ({ what }: Damage): boolean => what === "database";

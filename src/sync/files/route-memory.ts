import type { Connection } from "../../mlflow/http/connection.ts";
import type { Environment } from "../../mlflow/http/environment.ts";
import type { ObjectStores } from "../../mlflow/artifacts/object-store.ts";
import { readS3Settings, readStorageTls } from "../../mlflow/artifacts/s3-settings.ts";
import type { S3Settings } from "../../mlflow/artifacts/s3-settings.ts";
import { readCapabilities } from "../../mlflow/tracking/server-info.ts";
import type { Capabilities } from "../../mlflow/tracking/server-info.ts";
import { readUploadSettings } from "../../mlflow/artifacts/upload-settings.ts";
import type { UploadSettings } from "../../mlflow/artifacts/upload-settings.ts";

/** What one call of `deliver` knows of the ways to a server's storages: the settings for them, and what was found out, so that each is probed once. */
export class RouteMemory {
  readonly uploads: UploadSettings;
  readonly stores: ObjectStores;
  readonly #env: Environment;
  readonly #open = new Set<string>();
  readonly #shut = new Map<string, string>();
  #s3: S3Settings | undefined;
  #capabilities: Promise<Capabilities> | undefined;

  /** @throws CofferError CONFIG_INVALID */
  constructor(env: Environment) {
    this.#env = env;
    this.uploads = readUploadSettings(env);
    const tls = readStorageTls(env);
    this.stores = { tls: tls && (() => ({ ...tls })), reached: new Set() };
  }

  /** Read when a run's artifacts are at S3, so that a mistake there harms nobody else. @throws CofferError CONFIG_INVALID */
  get s3(): S3Settings {
    return (this.#s3 ??= readS3Settings(this.#env));
  }

  /** Asked for once; a failure is not remembered. @throws CofferError SERVER_UNREACHABLE, SERVER_REFUSED */
  async capabilities(connection: Connection): Promise<Capabilities> {
    const asked = (this.#capabilities ??= readCapabilities(connection));
    try {
      return await asked;
    } catch (error) {
      this.#capabilities = undefined;
      throw error;
    }
  }

  /** `way`: a kind of way and the storage that it leads to. */
  open(way: string): void {
    this.#open.add(way);
  }

  shut(way: string, why: string): void {
    this.#shut.set(way, why);
  }

  isOpen(way: string): boolean {
    return this.#open.has(way);
  }

  whyShut(way: string): string | undefined {
    return this.#shut.get(way);
  }
}

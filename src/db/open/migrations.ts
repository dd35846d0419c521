import store from "../migrations/0001-store.sql" with { type: "text" };
import registry from "../migrations/0002-registry.sql" with { type: "text" };
import delivery from "../migrations/0003-delivery.sql" with { type: "text" };
import damage from "../migrations/0004-damage.sql" with { type: "text" };
import sources from "../migrations/0005-sources.sql" with { type: "text" };

/** In the order of their numbers; a database's `user_version` is the number of those it has had. */
export const MIGRATIONS: readonly string[] = [store, registry, delivery, damage, sources];

/** "cofr", in the header of every database of ours. */
export const APPLICATION_ID = 0x636f6672;

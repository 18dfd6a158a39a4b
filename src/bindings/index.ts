import type { AnyBinding } from "../binding.ts";
import cron from "./cron/index.ts";
import redis from "./redis/index.ts";

/** Every binding there is, by name. Their drivers are imported only when a component opens. */
export const bindings: readonly AnyBinding[] = [cron, redis];

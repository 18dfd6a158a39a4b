import type { AnyBinding } from "../binding.ts";
import redis from "./redis.ts";

/** The state stores that replies may save to. */
export const stateStores: readonly AnyBinding[] = [redis];

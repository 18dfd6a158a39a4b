import { defineBinding } from "../binding.ts";
import { RedisConnection } from "../bindings/redis/connection.ts";
import { redisFields } from "../bindings/redis/fields.ts";
import { needsRedisDriver, redisDrivers } from "../bindings/redis/token-login.ts";
import { string } from "../metadata/fields.ts";

/**
 * `state.redis`, as far as replies need it: saving. The layout is daprd's, so that its state API reads
 * what is saved here: a hash per key with the fields `data` and `version`.
 */
export default defineBinding({
  name: "redis",
  status: "beta",
  summary: "Saves the states of replies in Redis, in daprd's layout.",
  drivers: redisDrivers,
  needsDriver: (name, metadata) => needsRedisDriver(name, metadata),
  metadata: {
    ...redisFields,
    keyPrefix: string({
      description:
        "What keys begin with: `appid`, `name` (the component's), `none`, or a text of its own.",
      default: "appid",
    }),
  },

  async open({ metadata, component, signal, memory, lost, hide, driver }) {
    const ioredis = await import("ioredis");
    const name = `cufflink-${component.appId}-${component.name}`;
    const options = { metadata, name, signal, memory, lost, hide, driver };
    const redis = await RedisConnection.open(ioredis, options);
    return {
      redis,
      prefix: prefixOf(metadata.keyPrefix, component),
      [Symbol.asyncDispose]: () => redis[Symbol.asyncDispose](),
    };
  },

  operations: {
    set: {
      description: "Saves the data under the key.",
      request: { key: string({ description: "The key, without its prefix.", required: true }) },
      idempotent: true,
      async invoke({ redis, prefix }, { data = new Uint8Array(), request }) {
        const value = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
        await redis.run((client) => client.eval(save, 1, prefix + request.key, value));
      },
    },
  },
});

/** Both fields in one step; what was there and is no hash goes, as with daprd. */
const save = `
if redis.call("TYPE", KEYS[1]).ok ~= "hash" then redis.call("DEL", KEYS[1]) end
redis.call("HSET", KEYS[1], "data", ARGV[1])
return redis.call("HINCRBY", KEYS[1], "version", 1)`;

function prefixOf(keyPrefix: string, component: { name: string; appId: string }): string {
  switch (keyPrefix.toLowerCase()) {
    case "none":
      return "";
    case "name":
      return `${component.name}||`;
    case "appid":
      return `${component.appId}||`;
    default:
      return `${keyPrefix}||`;
  }
}

import { defineBinding } from "../../../binding.ts";
import { BindingError } from "../../../errors.ts";
import { RedisConnection } from "../connection.ts";
import { redisFields } from "../fields.ts";
import { examineCommand, examineLogin } from "../examine.ts";
import { outboundRetry } from "../retries.ts";
import { needsRedisDriver, redisDrivers } from "../token-login.ts";
import { expiringFields, getFields, keyFields } from "./fields.ts";
import { incrementAndExpire } from "./increment.ts";
import { timeToLive } from "./time-to-live.ts";

const empty = new Uint8Array();

/** Stores, reads and counts values by key. Values are bytes and stay as they are. */
export default defineBinding({
  name: "redis",
  status: "stable",
  summary: "Stores, reads and counts values in Redis.",
  provedBy: [
    { system: "Redis", kind: "real" },
    { system: "Microsoft Entra ID", kind: "stand-in" },
  ],
  drivers: redisDrivers,
  needsDriver: (name, metadata) => needsRedisDriver(name, metadata),
  metadata: redisFields,

  async open({ metadata, component, signal, memory, lost, hide, driver }) {
    const ioredis = await import("ioredis");
    const name = `cufflink-${component.appId}-${component.name}`;
    return RedisConnection.open(ioredis, { metadata, name, signal, memory, lost, hide, driver });
  },

  operations: {
    create: {
      description: "Stores the data under the key.",
      request: expiringFields,
      idempotent: true,
      async invoke(redis, { data = empty, request, properties }) {
        const key = requireKey(request.key);
        const value = asBuffer(data);
        const life = timeToLive(properties);
        await redis.run<unknown>((client) => {
          if (life === undefined) return client.set(key, value);
          // Dapr asks for no right to delete here.
          return life === 0 ? client.expire(key, 0) : client.set(key, value, "PX", life);
        });
      },
    },

    delete: {
      description: "Deletes the key, if it exists.",
      request: keyFields,
      idempotent: true,
      async invoke(redis, { request }) {
        const key = requireKey(request.key);
        await redis.run((client) => client.del(key));
      },
    },

    get: {
      description: "Returns the value of the key, or nothing if it does not exist.",
      request: getFields,
      idempotent: ({ delete: alsoDelete }) => alsoDelete !== "true",
      async invoke(redis, { request }) {
        const key = requireKey(request.key);
        const value = await redis.run((client) =>
          request.delete === "true" ? client.getdelBuffer(key) : client.getBuffer(key),
        );
        return { data: value ?? empty };
      },
    },

    increment: {
      description: "Adds 1 to the number under the key. A missing key counts as 0.",
      request: expiringFields,
      async invoke(redis, { request, properties }) {
        const key = requireKey(request.key);
        const life = timeToLive(properties);
        if (life === undefined) await redis.run((client) => client.incr(key));
        else await incrementAndExpire(redis, key, life);
      },
    },
  },

  retry: { outbound: outboundRetry },

  async ping(redis) {
    await redis.run((client) => client.ping());
  },

  async examine(redis, examination) {
    examination.omit("exists");
    await examineLogin(redis, examination);
    await examineCommand(redis, examination, "may write", ["SET", "cufflink", "1"]);
  },
});

function requireKey(key: string | undefined): string {
  if (key) return key;
  throw new BindingError("invalid_argument", "redis binding: missing key in request metadata");
}

/** The same bytes, as the driver wants them. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

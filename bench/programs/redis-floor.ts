// Prints what the raw driver does by itself: `SET`s of 1 KiB, many under way at one time. Arguments: URL COUNT.
import { Redis } from "ioredis";
import { plainPayload } from "../wire/payload.ts";

const inFlight = 512;

const [url = "", count = "0"] = process.argv.slice(2);
const redis = new Redis(url);
let left = Number(count);
const repeat = async (): Promise<void> => {
  while (left-- > 0) await redis.set("bench", plainPayload);
};
await redis.ping();
const before = process.cpuUsage();
const began = performance.now();
await Promise.all(Array.from({ length: inFlight }, repeat));
const seconds = (performance.now() - began) / 1000;
const { user, system } = process.cpuUsage(before);
console.log(
  JSON.stringify({ rate: Number(count) / seconds, cpu: (user + system) / Number(count) }),
);
redis.disconnect();

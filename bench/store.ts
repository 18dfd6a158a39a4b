// How many dead letters a second are stored durably, and what each costs: `node bench/store.ts [seconds]`.
// The folder is a new one below the current, so that it is on its disk.
import { mkdtempSync, rmSync } from "node:fs";
import { createStore } from "../src/store/open-store.ts";
import { deadLetter } from "./dead-letter.ts";

const seconds = Number(process.argv[2] ?? 3);
console.log("writers  writes/s  main thread µs/write  all threads µs/write");
for (const writers of [1, 16, 256]) {
  const folder = mkdtempSync("store-bench-");
  const store = createStore({ folder });
  try {
    await store.deadLetters.put(deadLetter(0), "warm");
    let count = 0;
    const began = performance.now();
    const thread = process.threadCpuUsage();
    const all = process.cpuUsage();
    const write = async (): Promise<void> => {
      while (performance.now() - began < seconds * 1000) {
        const number = ++count;
        await store.deadLetters.put(deadLetter(number), `fingerprint of ${number}`);
      }
    };
    await Promise.all(Array.from({ length: writers }, write));
    const took = (performance.now() - began) / 1000;
    const main = total(process.threadCpuUsage(thread)) / count;
    const both = total(process.cpuUsage(all)) / count;
    const row = [writers, Math.round(count / took), main.toFixed(1), both.toFixed(1)];
    console.log(row.map((value, at) => String(value).padStart([7, 10, 22, 22][at] ?? 0)).join(""));
  } finally {
    await store.close();
    rmSync(folder, { recursive: true });
  }
}

function total({ user, system }: NodeJS.CpuUsage): number {
  return user + system;
}

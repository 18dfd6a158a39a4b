/**
 * Tries every target with new inputs: `npm run test:fuzz -- --minutes 60`. `--seed N` repeats a run, `--only NAME`
 * is one target. What fails is made small, kept in `corpus/`, and told with its seed; the exit code is then 1.
 */
import { fork } from "node:child_process";
import { inspect, parseArgs } from "node:util";
import { fuzz, keep } from "./fuzz.ts";
import { targets } from "./targets/index.ts";

const mebibyte = 1024 * 1024;
/** A process that has said nothing for so many milliseconds hangs. */
const silence = 120_000;
/** Beyond this the process's heap is no longer bounded by what it works on. */
const mostHeap = 200 * mebibyte;

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "1" },
    seed: { type: "string", default: String(Date.now() % 2 ** 31) },
    only: { type: "string" },
    child: { type: "boolean", default: false },
  },
});
const seed = Number(values.seed);
const chosen = targets.filter(({ name }) => values.only === undefined || values.only === name);
if (chosen.length === 0) {
  console.error(
    `no target is called ${values.only}; there are ${targets.map(({ name }) => name).join(", ")}`,
  );
  process.exit(64);
}
const milliseconds = (Number(values.minutes) * 60_000) / chosen.length;

process.exitCode = values.child ? await runTarget() : await runAll();

/** Each target in a process of its own, so that one that ends or hangs is seen, and costs no other. */
async function runAll(): Promise<number> {
  console.log(`seed ${seed}, ${chosen.length} targets, ${Math.round(milliseconds / 1000)} s each`);
  let failed = 0;
  for (const { name } of chosen) {
    const end = Date.now() + milliseconds;
    // One that fails is tried on with other inputs, for what else there is.
    for (let round = 0; Date.now() < end && round < 20; round++) {
      const left = Math.max(1000, end - Date.now());
      if (!(await runChild(name, seed + round, left))) failed++;
    }
  }
  console.log(failed === 0 ? "nothing was found" : `${failed} failures`);
  return failed === 0 ? 0 : 1;
}

function runChild(name: string, childSeed: number, left: number): Promise<boolean> {
  return new Promise((resolve) => {
    const args = ["--child", "--only", name, "--seed", String(childSeed)];
    const child = fork(import.meta.filename, [...args, "--minutes", String(left / 60_000)], {
      execArgv: ["--expose-gc", "--max-old-space-size=600"],
    });
    let runs = 0;
    let timer: NodeJS.Timeout | undefined;
    const heard = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        console.error(`${name}: no sign of life after run ${runs} with seed ${childSeed}`);
        child.kill("SIGKILL");
      }, silence);
    };
    heard();
    child.on("message", (count) => {
      runs = Number(count);
      heard();
    });
    child.on("exit", (code, signal) => {
      clearTimeout(timer);
      if (code !== 0)
        console.error(`${name}: ended by ${signal ?? code} in run ${runs} with seed ${childSeed}`);
      resolve(code === 0);
    });
  });
}

async function runTarget(): Promise<number> {
  const [target] = chosen;
  if (target === undefined) return 64;
  let runs = 0;
  let told = 0;
  const onRun = (): void => {
    runs++;
    if (Date.now() - told < 1000) return;
    told = Date.now();
    process.send?.(runs);
  };
  const started = Date.now();
  const { failure } = await fuzz(target, { seed, milliseconds, onRun });
  globalThis.gc?.();
  const { heapUsed, rss } = process.memoryUsage();
  const seconds = Math.round((Date.now() - started) / 1000);
  const memory = `heap ${Math.round(heapUsed / mebibyte)} MiB, resident ${Math.round(rss / mebibyte)} MiB`;
  console.log(`${target.name}: ${runs} runs in ${seconds} s, seed ${seed}, ${memory}`);
  process.disconnect?.();
  if (failure !== undefined) {
    console.error(`${target.name} failed:`, inspect(failure.error, { depth: 5 }));
    console.error(`kept as ${await keep(target, failure.input)}`);
    return 1;
  }
  if (heapUsed > mostHeap) {
    console.error(`${target.name}: the heap holds ${heapUsed} bytes after all has ended`);
    return 1;
  }
  return 0;
}

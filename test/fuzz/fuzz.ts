import * as fc from "fast-check";
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { formatInput, parseInput } from "./saved-input.ts";
import { UncaughtErrors } from "./uncaught-errors.ts";
import type { AnyTarget, Trial } from "./target.ts";

const corpus = join(import.meta.dirname, "corpus");

export type FuzzResult = {
  readonly runs: number;
  /** What to give as seed and path to see it again; absent: nothing was found. */
  readonly failure?: { readonly input: unknown; readonly error: unknown; readonly seed: number };
};

/** Longest time that one input may take, in milliseconds. */
const inputTimeout = 60_000;

/** Tries a target with new inputs for so many milliseconds, or until one breaks a promise, which is then made small. */
export async function fuzz(
  target: AnyTarget,
  options: {
    readonly seed: number;
    readonly milliseconds: number;
    /** The most inputs. Default: as many as there is time for. */
    readonly most?: number | undefined;
    readonly onRun?: () => void;
  },
): Promise<FuzzResult> {
  const { seed, milliseconds, most = Number.MAX_SAFE_INTEGER, onRun } = options;
  using uncaught = new UncaughtErrors();
  await using trial = await target.start();
  let runs = 0;
  const property = fc.asyncProperty(target.input, async (input: unknown) => {
    runs++;
    onRun?.();
    await tryOne(trial, input, uncaught);
  });
  const details = await fc.check(property, {
    seed,
    numRuns: most,
    interruptAfterTimeLimit: milliseconds,
    maxSkipsPerRun: 0,
  });
  if (!details.failed || details.counterexample === null) return { runs };
  const [input] = details.counterexample;
  return { runs, failure: { input, error: details.errorInstance, seed } };
}

/** Tries a target with each input that once failed. Rejects at the first that does again. */
export async function replay(target: AnyTarget): Promise<number> {
  const names = (await readdir(corpus)).filter((name) => name.startsWith(`${target.name}-`));
  if (names.length === 0) return 0;
  using uncaught = new UncaughtErrors();
  await using trial = await target.start();
  for (const name of names) {
    const input = parseInput(await readFile(join(corpus, name), "utf8"));
    await tryOne(trial, input, uncaught).catch((error: unknown) => {
      throw new Error(`the input of ${join(corpus, name)} fails again`, { cause: error });
    });
  }
  return names.length;
}

/** Keeps an input that failed, for {@link replay}; resolves to its file. */
export async function keep(target: AnyTarget, input: unknown): Promise<string> {
  const text = formatInput(input);
  const digest = createHash("sha256").update(text).digest("hex").slice(0, 8);
  const path = join(corpus, `${target.name}-${digest}.json`);
  await mkdir(corpus, { recursive: true });
  await writeFile(path, text);
  return path;
}

async function tryOne(
  trial: Trial<unknown>,
  input: unknown,
  uncaught: UncaughtErrors,
): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no end in ${inputTimeout} ms`)), inputTimeout);
  });
  try {
    await Promise.race([trial.check(input), late]);
  } finally {
    clearTimeout(timer);
  }
  await uncaught.check();
}

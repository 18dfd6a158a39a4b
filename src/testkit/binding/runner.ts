import { setTimeout as pause } from "node:timers/promises";

/** What registers a test: `test` of vitest or of `node:test`, or anything that is called the same way. */
export type TestFunction = (
  title: string,
  options: { timeout: number },
  run: () => Promise<void>,
) => unknown;

/** Notes what is to be done once the test has ended, the last first. */
export type After = (work: () => unknown) => void;

/** Ends what hangs, in milliseconds; each test waits for conditions. */
const longest = 60_000;

/** Registers one test, and does what it notes for its end. */
export function addTest(
  test: TestFunction,
  title: string,
  run: (after: After) => Promise<void>,
  timeout: number = longest,
): void {
  test(title, { timeout }, async () => {
    const works: (() => unknown)[] = [];
    try {
      await run((work) => void works.push(work));
    } finally {
      for (const work of works.toReversed()) await work();
    }
  });
}

/** Resolves once `check` neither throws nor says `false`; otherwise rejects, after `within` ms, with what it threw last. */
export async function eventually(
  check: () => unknown,
  { within = 25_000, every = 5 }: { within?: number; every?: number } = {},
): Promise<void> {
  const deadline = performance.now() + within;
  for (;;) {
    let problem: unknown;
    try {
      if ((await check()) !== false) return;
      problem = new Error(`waited ${within} ms in vain until ${check.toString()}`);
    } catch (error) {
      problem = error;
    }
    if (performance.now() > deadline) throw problem;
    await pause(every);
  }
}

/** Every byte there is, once. */
export const allBytes: Uint8Array = Uint8Array.from({ length: 256 }, (_, index) => index);

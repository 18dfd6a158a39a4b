import { expect, test } from "vitest";
import { keepingLogger } from "./runtime/source-event.ts";
import type { Logger } from "../src/binding.ts";

/** The compiler is what holds every line to this: `npm run check` fails where an expected error is none any more. */
test("a number that measures something cannot be logged without its unit", () => {
  const kept = keepingLogger();
  const logger: Logger = kept;
  // @ts-expect-error: milliseconds, or seconds?
  logger.info({ pause: 943 }, "no unit");
  // @ts-expect-error: a number all the same
  logger.warn({ reason: "it is large", size: 1n }, "no unit");
  const pause: number | undefined = kept.lines.length > 0 ? 943 : undefined;
  // @ts-expect-error: it may be a number
  logger.error({ pause }, "no unit");
  logger.info({ pause: "943ms", size: "12B", rate: "160/s" }, "units");
  logger.debug({ events: 3, attempt: 2, port: 80, reason: undefined, names: ["a"] }, "counts");
  expect(kept.lines).toHaveLength(5);
});

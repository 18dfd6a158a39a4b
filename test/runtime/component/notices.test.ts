import { expect, test } from "vitest";
import { Notices } from "../../../src/runtime/component/notices.ts";
import { keepingLogger } from "../source-event.ts";

test("a notice is logged when it is new, and holds for its connection alone", () => {
  const logger = keepingLogger();
  const notices = new Notices(logger);
  notices.add("it is another queue");
  notices.add("it is another queue");
  notices.add("it is a small one");
  expect(notices.text).toBe("it is another queue; it is a small one");
  notices.clear();
  expect(notices.text).toBe("");
  // Attempts that fail tell nothing.
  notices.clear();
  notices.add("it is another queue");
  expect(logger.lines.map(({ level, message }) => `${level} ${message}`)).toEqual([
    "warn it is another queue",
    "warn it is a small one",
  ]);
  notices.clear();
  notices.add("it is a small one");
  expect(logger.lines).toHaveLength(3);
});

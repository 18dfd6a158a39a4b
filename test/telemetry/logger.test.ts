import { expect, test } from "vitest";
import { createLogger } from "../../src/telemetry/logger.ts";
import { readableLine } from "../../src/telemetry/readable-log.ts";

function collector() {
  const lines: string[] = [];
  return { lines, destination: { write: (line: string) => void lines.push(line) } };
}

const plain = { color: false, date: false };

test("a JSON line has level, message, the process's fields and the component", () => {
  const { lines, destination } = collector();
  const logger = createLogger({ level: "info", json: true, appId: "shop", destination });
  logger.child({ component: "store" }).warn({ attempt: 2 }, "reconnecting");
  expect(lines).toHaveLength(1);
  const record = JSON.parse(lines[0]!) as Record<string, unknown>;
  expect(record).toMatchObject({
    level: "warn",
    msg: "reconnecting",
    app_id: "shop",
    component: "store",
    attempt: 2,
  });
  expect(new Date(String(record["time"])).getTime()).toBeGreaterThan(0);
});

test("levels below the one asked for are not written", () => {
  const { lines, destination } = collector();
  const logger = createLogger({ level: "warn", json: true, appId: "shop", destination });
  logger.debug({}, "no");
  logger.info({}, "no");
  logger.warn({}, "yes");
  logger.error({}, "yes");
  expect(lines).toHaveLength(2);
});

test("a line for people has time, level, component, message and facts, and leaves out what all share", () => {
  const { lines, destination } = collector();
  const logger = createLogger({
    level: "info",
    json: false,
    color: false,
    date: false,
    appId: "shop",
    destination,
  });
  logger
    .child({ component: "store" })
    .info({ port: 6379, why: "it is there", list: [1] }, "connected");
  expect(lines[0]).toMatch(
    /^\d\d:\d\d:\d\d\.\d{3} INFO {2}\[store\] connected port=6379 why="it is there" list=\[1\]\n$/,
  );
});

test("colours are there only when asked for", () => {
  const line = JSON.stringify({ level: "error", time: 0, msg: "gone" });
  expect(readableLine(line, { color: true, date: false })).toContain("\u001b[31mERROR\u001b[39m");
  expect(readableLine(line, plain)).not.toContain("\u001b");
});

test("a message cannot forge a line or move the cursor", () => {
  const line = JSON.stringify({
    level: "info",
    time: 0,
    msg: "a\u001b[2Jb\nINFO forged",
    fact: "x\ny",
  });
  const shown = readableLine(line, plain);
  expect(shown).not.toContain("\u001b");
  expect(shown).toContain("\n    INFO forged");
  expect(shown).toContain('fact="x\\ny"');
});

test("what is no JSON object passes unchanged", () => {
  expect(readableLine("plain text\n", plain)).toBe("plain text\n");
  expect(readableLine("[1]\n", plain)).toBe("[1]\n");
});

test("a line for people has the day too, but where nobody wants it", () => {
  const time = new Date(2026, 0, 2, 3, 4, 5, 6).toISOString();
  const line = JSON.stringify({ level: "info", time, msg: "up" });
  expect(readableLine(line, plain)).toBe("03:04:05.006 INFO  up\n");
  expect(readableLine(line, { ...plain, date: true })).toBe("2026-01-02 03:04:05.006 INFO  up\n");
  const { lines, destination } = collector();
  createLogger({ level: "info", json: false, appId: "shop", destination }).info({}, "up");
  expect(lines[0]).toMatch(/^\d{4}-\d\d-\d\d \d\d:/);
});

test("a place in a file is shown once, and the lines around it below", () => {
  const where = { file: "a.yaml", line: 2, column: 3 };
  const named = { level: "error", time: 0, msg: "a.yaml:2:3 error: no", ...where };
  const shown = readableLine(JSON.stringify({ ...named, excerpt: "  2 | x\n    | ^" }), plain);
  expect(shown).toMatch(/ERROR a\.yaml:2:3 error: no\n {6}2 \| x\n {8}\| \^\n$/);
  const elsewhere = readableLine(JSON.stringify({ ...named, msg: "cannot be read" }), plain);
  expect(elsewhere).toMatch(/cannot be read file=a\.yaml line=2 column=3\n$/);
  expect(readableLine(JSON.stringify({ level: "info", msg: "x", line: 2 }), plain)).toMatch(
    /line=2/,
  );
});

import { describe, expect, test, vi } from "vitest";
import { Entry } from "../../src/runtime/delivery/entry.ts";
import { Window } from "../../src/runtime/delivery/window.ts";
import type { HistoryRecord } from "../../src/store/records.ts";
import { sourceEvent } from "../runtime/source-event.ts";
import { sampleDeadLetter } from "../runtime/stored-dead-letters.ts";
import { operated } from "./operated.ts";

const at = Date.parse("2026-11-26T09:40:00.000Z");
const record: HistoryRecord = {
  ...{ component: "orders", eventId: "orders/0/1", source: "orders/0", receivedAt: at },
  attempts: [{ at: at + 2, took: 12, outcome: "refused", answer: "no\u001b[31m" }],
  ...{ renewals: [], traceId: "", end: "dead letter", endedAt: at + 14, reason: "no\u001b[31m" },
  deadLetter: sampleDeadLetter(1).id,
};

describe("events", () => {
  test("lists the last ones as it is asked for", async () => {
    const { run, operator } = await operated();
    operator.records = [record, { ...record, eventId: "", end: "handled", reason: "" }];
    const args = ["--component", "orders", "--end", "dead-letter", "--end", "dropped"];
    const listed = await run(["events", ...args, "--limit", "2"]);
    expect(listed.stdout).toBe(
      [
        "ENDED                     COMPONENT  EVENT       END          ATTEMPTS  REASON",
        "2026-11-26T09:40:00.014Z  orders     orders/0/1  dead letter  1         no\ufffd[31m",
        "2026-11-26T09:40:00.014Z  orders     -           handled      1\n",
      ].join("\n"),
    );
    expect(operator.pages).toEqual([
      { component: "orders", ends: ["dead letter", "dropped"], limit: 2, token: undefined },
    ]);
    const json = await run(["events", "list", "--limit", "1", "--json"]);
    expect(JSON.parse(json.stdout)).toMatchObject({ end: "dead letter", eventId: "orders/0/1" });
  });

  test("refuses what is no number and no end", async () => {
    const { run } = await operated();
    for (const args of [
      ["--limit", "0"],
      ["--limit", "x"],
      ["--end", "nosuch"],
    ])
      expect((await run(["events", "list", ...args])).code).toBe(2);
    expect((await run(["events", "tail", "--rate", "-1"])).code).toBe(2);
  });

  test("shows each as it ends, until the runtime does", async () => {
    const { run, operator, served } = await operated();
    const end = (text: string): void => {
      const event = sourceEvent(text, { key: "k", metadata: { offset: "42" } });
      const entry = new Entry(event, new Window("orders/0"), undefined);
      operator.events.record("orders", entry, { how: "dropped", reason: "not ours" }, at);
    };
    const written = (): readonly unknown[] =>
      (Reflect.get(process.stdout, "write") as { mock?: { calls: unknown[] } }).mock?.calls ?? [];
    const ending = setInterval(() => end("a\u001bb"), 20);
    const shown = run(["events", "tail", "--component", "orders", "--rate", "3"]);
    await vi.waitFor(() => expect(written().length).toBeGreaterThan(3), {
      timeout: 20_000,
    });
    clearInterval(ending);
    await served.server.close(0);
    const { stdout } = await shown;
    expect(stdout).toContain(
      "2026-11-26T09:40:00.000Z orders a\ufffdb dropped: not ours\n  0x611b62\n",
    );
    expect(stdout).toMatch(/… \d+ events? left out\n/);
  });
});

test("components show --definition prints the YAML, and what is wrong with it beside it", async () => {
  const { run, definitions } = await operated();
  const none = await run(["components", "show", "probe", "--definition"]);
  expect([none.code, none.stdout, none.stderr]).toEqual([0, "", "probe came from no file\n"]);
  definitions.set("probe", {
    ...{ yaml: "kind: Component\nname: \u001bx\n", file: "a.yaml", line: 3 },
    findings: [{ severity: "error", message: "no such topic", line: 4, column: 5 }],
  });
  const { stdout, stderr } = await run(["components", "show", "probe", "--definition"]);
  expect([stdout, stderr]).toEqual([
    "kind: Component\nname: \ufffdx\n",
    "a.yaml:4:5 error: no such topic\n",
  ]);
  const json = await run(["components", "show", "probe", "--definition", "--json"]);
  expect(JSON.parse(json.stdout)).toMatchObject({ line: 3, findings: [{ severity: "error" }] });
});

test("why finds the event of a dead letter", async () => {
  const { run, operator } = await operated(sampleDeadLetter(1));
  operator.records = [record];
  const { stdout, code } = await run(["why", "--dead-letter", sampleDeadLetter(1).id]);
  expect(code).toBe(0);
  expect(stdout).toContain(`See cufflink dead-letters show ${sampleDeadLetter(1).id}`);
  operator.records = [];
  const remembered = await run(["why", "--dead-letter", sampleDeadLetter(1).id]);
  expect(remembered.stdout).toContain("it became a dead letter of orders");
  const unknown = await run(["why", "--dead-letter", "nosuch"]);
  expect([unknown.code, unknown.stderr]).toEqual([1, expect.stringContaining("nosuch")]);
  expect((await run(["why"])).code).toBe(2);
  expect((await run(["why", "x", "--dead-letter", "y"])).code).toBe(2);
});

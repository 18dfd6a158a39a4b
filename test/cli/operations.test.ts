import { describe, expect, test } from "vitest";
import type { UnfinishedEvent } from "../../src/runtime/status.ts";
import type { HistoryRecord } from "../../src/store/records.ts";
import { sampleDeadLetter } from "../runtime/stored-dead-letters.ts";
import { cufflinkHere } from "./in-process.ts";
import { operated } from "./operated.ts";

describe("components", () => {
  test("are paused with a reason, resumed, restarted and drained", async () => {
    const { run, operator } = await operated();
    const paused = await run(["components", "pause", "probe", "--reason", "the shop moves"]);
    expect(paused).toMatchObject({ code: 0, stdout: "probe: running\n" });
    await run(["components", "resume", "probe"]);
    await run(["components", "restart", "probe"]);
    const drained = await run(["components", "drain", "probe", "--deadline", "1500ms"]);
    expect(drained.code).toBe(1);
    expect(drained.stderr).toMatch(/did not finish 2 events in time/);
    expect(operator.asked).toEqual([
      expect.stringMatching(/^pause probe by \S.*: the shop moves$/) as string,
      "resume probe",
      "restart probe",
      "drain probe within 1500",
    ]);
    const unknown = await run(["components", "pause", "nosuch"]);
    expect(unknown).toMatchObject({ code: 1, stderr: "cufflink: no component is called nosuch\n" });
    const wrong = await run(["components", "drain", "probe", "--deadline", "soon"]);
    expect(wrong.code).toBe(2);
  });

  test("tell their policies, and who said so", async () => {
    const { run, operator } = await operated();
    operator.policiesOf = {
      inbound: [
        { name: "attempts", value: "10", source: "default" },
        { name: "timeout", value: "5s", source: "Resiliency shop (resiliency.yaml:12)" },
      ],
      outbound: [{ name: "attempts", value: "3", source: "metadata redisMaxRetries (a.yaml:4)" }],
    };
    const { stdout } = await run(["components", "policy", "probe"]);
    expect(stdout).toBe(
      `events in
  attempts  10
      from default
  timeout   5s
      from Resiliency shop (resiliency.yaml:12)
invocations
  attempts  3
      from metadata redisMaxRetries (a.yaml:4)
`,
    );
    const { stdout: json } = await run(["components", "policy", "probe", "--json"]);
    expect(JSON.parse(json)).toEqual({ name: "probe", ...operator.policiesOf });
    expect((await run(["components", "policy", "nosuch"])).code).toBe(1);
  });

  test("are shown with all that is known of one", async () => {
    const { run, address } = await operated();
    await cufflinkHere(["invoke", "probe", "echo", "hello", address]);
    const { stdout, code } = await run(["components", "show", "probe"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^probe\n {2}type +bindings\.probe v1\n {2}state +running, since \d{4}-.* \(\d+s ago\)\n {2}direction +output\n/,
    );
    expect(stdout).toMatch(/\ninvocations\n {2}running +0\n {2}ended +1\n {2}failed +0\n$/);
    const json = await run(["components", "show", "probe", "--json"]);
    expect(JSON.parse(json.stdout)).toMatchObject({
      ...{ name: "probe", readiness: "optional" },
      output: { inFlight: 0, invocations: 1, failures: 0 },
    });
    const unknown = await run(["components", "show", "nosuch"]);
    expect(unknown).toMatchObject({
      ...{ code: 1, stderr: 'cufflink: no component is called "nosuch"; there are: probe\n' },
    });
  });

  test("are listed when nothing else is said, with or without a name", async () => {
    const { run } = await operated();
    for (const args of [["components"], ["components", "list"], ["components", "probe"]]) {
      const { stdout, code } = await run(args);
      expect(stdout).toMatch(/^NAME +TYPE +STATE .*\nprobe +bindings\.probe +running +output +- /);
      expect(code).toBe(0);
    }
  });
});

describe("reload", () => {
  test("tells revision and result, and ends with 1 when something failed", async () => {
    const { run, operator } = await operated();
    const { code, stdout } = await run(["reload"]);
    expect(code).toBe(1);
    expect(stdout).toMatch(
      /^revision 1: partly applied, \d+\w ago\n {2}created {2}a {2}applied\n {2}updated {2}b {2}failed: no broker \(b\.yaml:3:1\)\n {2}c\.yaml:12:7 error: .*\n$/,
    );
    const json = JSON.parse((await run(["reload", "--json"])).stdout) as object;
    expect(json).toMatchObject({ revision: 2, at: "2026-09-21T14:13:20.001Z" });
    const last = await run(["reload", "--last"]);
    expect(last.stdout.match(/^revision \d/gm)).toEqual(["revision 2", "revision 1"]);
    expect(last.code).toBe(0);
    expect(operator.reloads).toHaveLength(2);
  });

  test("ends with 0 when all is well", async () => {
    const { run, operator, well } = await operated();
    well();
    expect(await run(["reload"])).toMatchObject({ code: 0 });
    operator.reloads.splice(0);
    const none = await run(["reload", "--last"]);
    expect(none).toMatchObject({ code: 0, stderr: "nothing was reloaded since the start\n" });
  });
});

describe("why", () => {
  const at = Date.parse("2026-11-26T09:40:00.000Z");
  const record: HistoryRecord = {
    component: "orders",
    eventId: "orders/0/1",
    source: "orders/0",
    receivedAt: at,
    attempts: [
      { at: at + 2, took: 12, outcome: "refused", answer: "HTTP 500: no such customer" },
      { at: at + 1014, took: 8.25, outcome: "handled", answer: "" },
    ],
    renewals: [at + 500],
    failedRenewals: [{ at: at + 700, reason: "the channel was closed" }],
    traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
    end: "handled",
    endedAt: at + 1023,
    reason: "",
    deadLetter: undefined,
  };

  test("tells the story in its order", async () => {
    const { run, operator } = await operated();
    operator.records = [record];
    const { stdout, code } = await run(["why", "orders/0/1", "--component", "orders"]);
    expect(code).toBe(0);
    expect(stdout).toBe(`orders/0/1, read by orders
  2026-11-26T09:40:00.000Z  received from orders/0
  2026-11-26T09:40:00.002Z  attempt 1 refused after 12 ms: HTTP 500: no such customer
  2026-11-26T09:40:00.500Z  lease renewed
  2026-11-26T09:40:00.700Z  its lease could not be renewed: the channel was closed
  2026-11-26T09:40:01.014Z  attempt 2 handled after 8.3 ms
  2026-11-26T09:40:01.023Z  handled
  trace 4bf92f3577b34da6a3ce929d0e0e4736
`);
    expect(operator.asked).toEqual(["find orders/0/1 of orders"]);
    const { stdout: json } = await run(["why", "orders/0/1", "--json"]);
    expect(JSON.parse(json)).toMatchObject({
      records: [{ end: "handled", endedAt: "2026-11-26T09:40:01.023Z" }],
      deadLetters: [],
    });
  });

  test.each<[HistoryRecord["end"], string, RegExp]>([
    ["dead letter", "HTTP 500", /became dead letter \S+0001: HTTP 500\n/],
    ["output", "", /went to the output for events that are not handled\n/],
    ["dropped", "nobody wants it", /dropped: nobody wants it\n/],
    ["returned", "the app is away", /returned to its source: the app is away\n/],
    ["duplicate", "", /not given to the app, since it was handled before\n/],
  ])("an event can end as %s", async (end, reason, expected) => {
    const { run, operator } = await operated();
    const deadLetter = end === "dead letter" ? sampleDeadLetter(1).id : undefined;
    const renewals = Array.from({ length: 9 }, (_, index) => at + index);
    operator.records = [{ ...record, end, reason, deadLetter, renewals }];
    const { stdout } = await run(["why", "orders/0/1"]);
    expect(stdout).toMatch(expected);
    expect(stdout).toContain("lease renewed 9 times, the last at 2026-11-26T09:40:00.008Z");
    if (end === "dead letter") expect(stdout).toContain("It is no longer a dead letter");
  });

  test.each<[Partial<UnfinishedEvent>, string]>([
    [{}, "now waiting for attempt 2 of 10, due at 2026-11-26T09:40:05.000Z"],
    [{ where: "with the app", nextAt: undefined }, "now with the app, attempt 2 of 10"],
    [
      { where: "queued", nextAt: undefined, reason: "the app is away", attempts: [] },
      "now queued for attempt 2 of 10: the app is away; the last attempt failed: HTTP 500",
    ],
    [
      { where: "held", attemptsAllowed: undefined, reason: "disk full" },
      "now held: disk full; tried again at 2026-11-26T09:40:05.000Z",
    ],
  ])("tells where an event is that has not ended: %j", async (facts, expected) => {
    const { run, operator } = await operated();
    const { component, eventId, source, receivedAt, traceId } = record;
    operator.waiting = [
      {
        ...{ component, eventId, source, receivedAt, traceId, renewals: [], failedRenewals: [] },
        ...{ attempts: record.attempts.slice(0, 1), key: Buffer.from("k"), reason: "" },
        ...{ where: "waiting for a retry", attempt: 2, attemptsAllowed: 10 },
        ...{ lastError: "HTTP 500", nextAt: at + 5000, deadLetter: "0190", ...facts },
      },
    ];
    const { stdout, code } = await run(["why", eventId]);
    expect(code).toBe(0);
    expect(stdout).toContain(`\n  ${expected}\n  trace 4bf9`);
    expect(stdout).toContain("received from orders/0\n");
    expect(stdout).toMatch(/It is dead letter 0190, redriven now\.\n$/);
    const json = await run(["why", eventId, "--json"]);
    expect(JSON.parse(json.stdout)).toMatchObject({
      unfinished: [{ eventId, key: "aw==", receivedAt: "2026-11-26T09:40:00.000Z" }],
    });
  });

  test("names the dead letter that it is, also when nothing else is remembered", async () => {
    const { run, operator } = await operated(sampleDeadLetter(1));
    const known = await run(["why", "orders/0/1"]);
    expect(known.code).toBe(0);
    expect(known.stdout).toMatch(
      /^2026-09-21T\S+ it became a dead letter of orders: the app answered/,
    );
    operator.records = [{ ...record, end: "dead letter", deadLetter: sampleDeadLetter(1).id }];
    const { stdout } = await run(["why", "orders/0/1"]);
    expect(stdout).toContain(`See cufflink dead-letters show ${sampleDeadLetter(1).id}`);
  });

  test("says what it may be when nothing is known", async () => {
    const { run } = await operated();
    const { code, stderr, stdout } = await run(["why", "nosuch", "--component", "orders"]);
    expect(code).toBe(1);
    expect(stdout).toBe("");
    expect(stderr).toMatch(/^nothing is known of event "nosuch" of component orders\n/);
  });
});

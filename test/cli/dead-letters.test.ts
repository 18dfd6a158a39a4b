import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { DeadLetter } from "../../src/store/records.ts";
import { folder } from "../resources/folder.ts";
import { sampleDeadLetter } from "../runtime/stored-dead-letters.ts";
import { Command } from "./command.ts";
import { cufflinkHere } from "./in-process.ts";
import { operated } from "./operated.ts";

const widest = (text: string): number => Math.max(...text.split("\n").map((line) => line.length));
const event = (changes: Partial<DeadLetter["event"]>): Partial<DeadLetter> => ({
  event: { ...sampleDeadLetter(1).event, ...changes },
});

test.each<[string[], RegExp]>([
  [["redrive"], /say which dead letters are meant/],
  [["drop"], /say which dead letters are meant/],
  [["redrive", "--all", "--component", "a"], /--all means every dead letter/],
  [["redrive", "--all", "--rate", "none"], /--rate "none" is not a number above 0/],
  [["redrive", "--all", "--to", "a:b:c"], /--to "a:b:c" is not output or output:operation/],
  [["redrive", "--all", "-m", "a=b"], /--metadata is for an output; say --to/],
  [["drop", "--all"], /pass --yes where there is no terminal/],
  [["list", "--limit", "0"], /--limit "0" is not a number from 1 on/],
  [["list", "--since", "yesterday"], /--since "yesterday" is neither a duration/],
  [["edit", "x"], /say what to change, or set \$EDITOR/],
  [["edit", "x", "--data", "a", "--data-file", "b"], /data is given twice/],
  [["edit", "x", "--data", "a", "--null-data"], /do not give one too/],
  [["edit", "x", "-H", "name"], /"name" is not name=value/],
])("%j cannot be meant", async (args, output) => {
  const env = { EDITOR: "", VISUAL: "" };
  const result = await cufflinkHere(["dead-letters", ...args], env);
  expect(result.stderr).toMatch(output);
  expect(result.code).toBe(2);
});

describe("list", () => {
  test("shows them in 80 columns, each with its reason below", async () => {
    const { run } = await operated(
      sampleDeadLetter(1, { edited: true }),
      sampleDeadLetter(2, { component: "mail", reason: "evil \u001b[2J\nline" }),
    );
    const { stdout, code } = await run(["dead-letters"]);
    expect(code).toBe(0);
    const lines = stdout.split("\n");
    expect(lines[0]).toMatch(/^ID +COMPONENT +STORED +ATTEMPTS +SIZE$/);
    expect(lines[1]).toMatch(/^01900000-\S+0001 +orders +\d+d ago +2 +7 B$/);
    expect(lines[2]).toBe("    orders/0/1: the app answered 500: no such customer (edited)");
    expect(lines[4]).toBe("    orders/0/2: evil \ufffd[2J\ufffdline");
    expect(widest(stdout)).toBeLessThanOrEqual(80);
  });

  test("takes filters, pages, and gives tools all of it", async () => {
    const { run } = await operated(
      sampleDeadLetter(1, event({ data: Buffer.from([0xff]), key: "k" })),
      sampleDeadLetter(2, { component: "mail" }),
      sampleDeadLetter(3, { storedAt: Date.now() - 60_000 }),
    );
    const ids = async (...args: string[]): Promise<string[]> => {
      const { stdout } = await run(["dead-letters", "list", "--json", ...args]);
      return (JSON.parse(stdout) as { id: string }[]).map(({ id }) => id);
    };
    expect(await ids("--component", "mail")).toEqual([sampleDeadLetter(2).id]);
    expect(await ids("--since", "1h")).toEqual([sampleDeadLetter(3).id]);
    expect(await ids("--before", "2026-10-01")).toEqual([
      sampleDeadLetter(1).id,
      sampleDeadLetter(2).id,
    ]);
    expect(await ids("--event", "orders/0/3", "--reason", "CUSTOMER")).toEqual([
      sampleDeadLetter(3).id,
    ]);
    expect(await ids("--limit", "1", "--after", sampleDeadLetter(1).id)).toEqual([
      sampleDeadLetter(2).id,
    ]);
    const more = await run(["dead-letters", "--limit", "2"]);
    expect(more.stderr).toBe(`there are more; say --limit, or --after ${sampleDeadLetter(2).id}\n`);
    const { stdout } = await run(["dead-letters", "list", "--json", "--limit=1"]);
    expect(JSON.parse(stdout)).toMatchObject([
      {
        component: "orders",
        failedAttempts: 2,
        storedAt: "2026-09-21T14:13:22.001Z",
        event: {
          key: "aw==",
          keyText: "k",
          data: "/w==",
          headers: [{ name: "trace", value: "/wA=" }],
        },
        attempts: [{ at: "2026-09-21T14:13:20.000Z", took: 12, outcome: "refused" }, {}],
      },
    ]);
    const none = await run(["dead-letters", "--component", "nosuch"]);
    expect(none).toMatchObject({ code: 0, stdout: "", stderr: "there are no such dead letters\n" });
  });

  test("totals are counted per component", async () => {
    const { run } = await operated(
      sampleDeadLetter(1),
      sampleDeadLetter(2),
      sampleDeadLetter(3, { component: "mail" }),
    );
    const { stdout, stderr } = await run(["dead-letters", "totals"]);
    expect(stdout).toMatch(
      /^COMPONENT +DEAD LETTERS +SIZE +OLDEST\nmail +1 +7 B +\S+ ago\norders +2 /,
    );
    expect(stderr).toBe("3 dead letters\n");
  });
});

describe("show", () => {
  test("tells everything", async () => {
    const { run } = await operated(sampleDeadLetter(1));
    const { stdout } = await run(["dead-letters", "show", sampleDeadLetter(1).id]);
    expect(stdout).toBe(`Dead letter ${sampleDeadLetter(1).id}
  component  orders (bindings.kafka)
  event      orders/0/1
  key        customer 1
  cause      its attempts are used up
  reason     the app answered 500: no such customer
  received   2026-09-21T14:13:20.000Z
  stored     2026-09-21T14:13:22.001Z
  so far     2 attempts
  trace      4bf92f3577b34da6a3ce929d0e0e4736

Attempts
  2026-09-21T14:13:20.000Z  12 ms   refused  HTTP 500: no such customer
  2026-09-21T14:13:21.000Z  8.0 ms  refused  HTTP 500: no such customer

Metadata
  topic      orders
  partition  0

Headers
  trace  0xff00

Payload, 7 B
  order 1
`);
  });

  test("writes a payload as it is, or shows the beginning of its bytes", async () => {
    const data = Buffer.from([...Array(300).keys()]);
    const { run } = await operated(
      sampleDeadLetter(1, event({ data })),
      sampleDeadLetter(2, event({ data: undefined })),
    );
    const { stdout } = await run(["dead-letters", "show", sampleDeadLetter(1).id]);
    expect(stdout).toContain(
      "00000040  40 41 42 43 44 45 46 47 48 49 4a 4b 4c 4d 4e 4f  @ABCDEFGHIJKLMNO",
    );
    expect(stdout).toContain("--data writes all of it");
    expect(widest(stdout.slice(stdout.indexOf("Payload")))).toBeLessThanOrEqual(80);
    const raw = await run(["dead-letters", "show", sampleDeadLetter(1).id, "--data"]);
    expect(raw.stdout).toBe(data.toString());
    const null_ = await run(["dead-letters", "show", sampleDeadLetter(2).id]);
    expect(null_.stdout).toContain("No payload: the source said null");
    const missing = await run(["dead-letters", "show", "nosuch"]);
    expect(missing).toMatchObject({
      code: 1,
      stderr: "cufflink: there is no dead letter nosuch\n",
    });
  });
});

describe("edit", () => {
  test("changes payload, key and headers by flags", async () => {
    const { run, store } = await operated(sampleDeadLetter(1));
    const headers = ["-H", "a=1", "-H", "b=x=y", "--remove-header", "trace"];
    const { code, stderr } = await run([
      ...[
        "dead-letters",
        "edit",
        sampleDeadLetter(1).id,
        "--data",
        "better",
        "--key",
        "k",
        ...headers,
      ],
    ]);
    expect(code).toBe(0);
    expect(stderr).toContain(`cufflink dead-letters redrive ${sampleDeadLetter(1).id}`);
    const { event, edited } = store.deadLetters.get(sampleDeadLetter(1).id)!;
    expect(edited).toBe(true);
    expect(Buffer.from(event.data!).toString()).toBe("better");
    expect(Buffer.from(event.key!).toString()).toBe("k");
    expect(
      event.headers.map(({ name, value }) => `${name}=${Buffer.from(value).toString()}`),
    ).toEqual(["a=1", "b=x=y"]);
    await run(["dead-letters", "edit", sampleDeadLetter(1).id, "--null-data"]);
    expect(store.deadLetters.get(sampleDeadLetter(1).id)?.event.data).toBeUndefined();
    const file = join(folder({ "fixed.json": "{}" }), "fixed.json");
    await run(["dead-letters", "edit", sampleDeadLetter(1).id, "--data-file", file]);
    expect(Buffer.from(store.deadLetters.get(sampleDeadLetter(1).id)!.event.data!).toString()).toBe(
      "{}",
    );
  });

  test("opens the payload in the editor, and leaves it alone where that changes nothing or fails", async () => {
    const { run, store } = await operated(sampleDeadLetter(1));
    const script = join(folder({}), "editor");
    const edit = (body: string) => {
      writeFileSync(script, `#!/bin/sh\n${body}\n`);
      chmodSync(script, 0o755);
      return run(["dead-letters", "edit", sampleDeadLetter(1).id], { EDITOR: `${script} --wait` });
    };
    expect(await edit("true")).toMatchObject({ code: 0, stderr: "nothing was changed\n" });
    const failed = await edit('echo broken > "$2"; exit 3');
    expect(failed.code).toBe(1);
    expect(failed.stderr).toMatch(/ended with code 3; nothing was changed/);
    expect(store.deadLetters.get(sampleDeadLetter(1).id)).toEqual(sampleDeadLetter(1));
    expect(
      await edit('test "$1" = --wait && printf "%s, fixed" "$(cat "$2")" > "$2"'),
    ).toMatchObject({
      code: 0,
    });
    const { data } = store.deadLetters.get(sampleDeadLetter(1).id)!.event;
    expect(Buffer.from(data!).toString()).toBe("order 1, fixed");
  });
});

describe("redrive", () => {
  test("tells which were not handled, and ends with 1 for them", async () => {
    const { run, store, app } = await operated(
      sampleDeadLetter(1),
      sampleDeadLetter(2),
      sampleDeadLetter(3),
    );
    app.redrive = async ({ event }) =>
      event.id === "orders/0/2"
        ? { outcome: "refused", reason: "HTTP 500" }
        : { outcome: "handled", reason: "" };
    const { code, stdout, stderr } = await run(["dead-letters", "redrive", "--all"]);
    expect(stdout).toBe(`refused ${sampleDeadLetter(2).id} (orders/0/2): HTTP 500\n`);
    expect(stderr).toBe("2 of 3 dead letters handled, 1 refused\n");
    expect(code).toBe(1);
    expect([...store.deadLetters.keys()]).toEqual([sampleDeadLetter(2).id]);
    app.redrive = async () => ({ outcome: "handled", reason: "" });
    const well = await run(["dead-letters", "redrive", sampleDeadLetter(2).id, "--rate", "1000"]);
    expect(well).toMatchObject({ code: 0, stdout: "", stderr: "1 of 1 dead letter handled\n" });
    const none = await run(["dead-letters", "redrive", "--component", "orders"]);
    expect(none).toMatchObject({ code: 1, stderr: "there are no such dead letters\n" });
  });

  test("goes to an output, and tells tools in lines", async () => {
    const { run, served } = await operated(sampleDeadLetter(1), sampleDeadLetter(2));
    const to = ["--to", "probe:echo", "-m", "echo-a=b", "--json"];
    const { code, stdout } = await run(["dead-letters", "redrive", "--all", ...to]);
    expect(code).toBe(0);
    expect(served.calls).toMatchObject([
      { operation: "echo", data: "order 1", metadata: { "echo-a": "b" } },
      { operation: "echo", data: "order 2" },
    ]);
    const lines = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as object);
    expect(lines).toMatchObject([
      { id: sampleDeadLetter(1).id, outcome: "handled" },
      { id: sampleDeadLetter(2).id, outcome: "handled" },
      { totals: { matched: 2, handled: 2, refused: 0, skipped: 0 } },
    ]);
    const nosuch = await operated(sampleDeadLetter(1));
    const failed = await nosuch.run(["dead-letters", "redrive", "--all", "--to", "nosuch"]);
    expect(failed.stdout).toMatch(/^refused .*couldn't find output binding nosuch\n$/);
    expect(failed.code).toBe(1);
  });

  test("begins no further one after Ctrl-C", async () => {
    const { address, store } = await operated(
      sampleDeadLetter(1),
      sampleDeadLetter(2),
      sampleDeadLetter(3),
    );
    const command = new Command([
      ...["dead-letters", "redrive", "--all", "--rate", "0.001", "--json", address],
    ]);
    await command.printed(/"outcome":"handled"/);
    command.signal("SIGINT");
    expect(await command.exited).toBe(1);
    expect(command.stdout).toMatch(/"totals":\{"matched":3,"handled":1,"refused":0,"skipped":0\}/);
    expect(store.deadLetters.size).toBe(2);
  });
});

test("drop removes what is meant", async () => {
  const { run, store } = await operated(
    sampleDeadLetter(1),
    sampleDeadLetter(2),
    sampleDeadLetter(3, { component: "mail" }),
  );
  const dropped = await run(["dead-letters", "drop", "--component", "orders", "--yes"]);
  expect(dropped).toMatchObject({ code: 0, stdout: "2 dead letters dropped\n" });
  expect([...store.deadLetters.keys()]).toEqual([sampleDeadLetter(3).id]);
  const none = await run(["dead-letters", "drop", sampleDeadLetter(1).id, "-y"]);
  expect(none).toMatchObject({ code: 1, stdout: "0 dead letters dropped\n" });
});

test("a store in trouble is told, not taken for a runtime that is away", async () => {
  const { run, store } = await operated(sampleDeadLetter(1));
  store.failing.set("list", "/var/lib/cufflink/records.db: the disk is full");
  const { code, stderr } = await run(["dead-letters"]);
  expect(stderr).toBe("cufflink: /var/lib/cufflink/records.db: the disk is full\n");
  expect(code).toBe(1);
});

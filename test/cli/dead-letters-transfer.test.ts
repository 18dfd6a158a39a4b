import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { BindingError } from "../../src/errors.ts";
import type { DeadLetter } from "../../src/store/records.ts";
import { folder } from "../resources/folder.ts";
import { sampleDeadLetter } from "../runtime/stored-dead-letters.ts";
import { cufflink } from "./command.ts";
import { operated } from "./operated.ts";

const { event } = sampleDeadLetter(0);
const large = Buffer.alloc(40_000, "large payload ");

/** Every kind of value that one can hold. */
const all: DeadLetter[] = [
  sampleDeadLetter(1, {
    event: {
      data: Buffer.from([0, 255, 10, 13, 0xe2, 0x80]),
      headers: [
        { name: "same", value: Buffer.from([0xff, 0x00]) },
        { name: "same", value: Buffer.alloc(0) },
        { name: "Ключ", value: Buffer.from("\n") },
      ],
      metadata: { topic: "a\u2028b\n", empty: "" },
      key: Buffer.from([0, 1, 255]),
      id: "orders/0/1",
    },
  }),
  sampleDeadLetter(2, { event: { ...event, data: undefined, key: undefined, id: undefined } }),
  sampleDeadLetter(3, { event: { ...event, data: Buffer.alloc(0), key: "text" } }),
  sampleDeadLetter(4, {
    event: { ...event, data: large, key: "", headers: [] },
    component: "mail",
  }),
  sampleDeadLetter(5, {
    ...{ cause: "refused", edited: true, redrives: 3, traceId: "", failed: 7 },
    attempts: [
      { at: 1_790_000_000_001, took: 0.012, outcome: "not attempted", answer: "\0 \u{1f600}" },
    ],
  }),
];

/** Bytes of any kind compare as buffers. */
const plain = ({ event: { data, key, headers, ...rest }, ...one }: DeadLetter) => ({
  ...one,
  event: {
    ...rest,
    data: data && Buffer.from(data),
    key: typeof key === "object" ? Buffer.from(key) : key,
    headers: headers.map(({ name, value }) => ({ name, value: Buffer.from(value) })),
  },
});

function written(text: string): string {
  const file = join(folder({}), "letters.ndjson");
  writeFileSync(file, text);
  return file;
}

test("what was exported and imported is the same in every part", async () => {
  const from = await operated(...all);
  const exported = await from.run(["dead-letters", "export"]);
  expect(exported).toMatchObject({ code: 0, stderr: "" });
  expect(exported.stdout.split("\n")).toHaveLength(all.length + 1);
  const file = written(exported.stdout);
  const to = await operated();
  const imported = await to.run(["dead-letters", "import", file]);
  expect(imported).toMatchObject({ code: 0, stdout: "5 dead letters imported\n", stderr: "" });
  expect([...to.store.deadLetters.values()].map(plain)).toEqual(all.map(plain));
  expect(to.store.fingerprints.get(all[4]!.id)).toBe(`digest of ${all[4]!.identity}`);
  expect((await to.run(["dead-letters", "export"])).stdout).toBe(exported.stdout);
  await to.run(["dead-letters", "edit", all[0]!.id, "--data", "mended"]);
  const again = await to.run(["dead-letters", "import", file]);
  expect(again).toMatchObject({
    code: 0,
    stdout: "0 dead letters imported, 5 there already\n",
  });
  expect(to.store.deadLetters.get(all[0]!.id)?.edited).toBe(true);
});

test("export takes filters, and goes on behind one that cannot be read", async () => {
  const { run, store } = await operated(...all);
  const idsOf = (stdout: string) =>
    stdout
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { id: string }).id);
  const mail = await run(["dead-letters", "export", "--component", "mail"]);
  expect(idsOf(mail.stdout)).toEqual([all[3]!.id]);
  const tooLarge = new BindingError("resource_exhausted", "it is too large");
  store.get = () => Promise.reject(tooLarge);
  const rest = await run(["dead-letters", "export"]);
  expect(rest.code).toBe(1);
  expect(rest.stderr).toBe(`dead letter ${all[3]!.id} cannot be read: it is too large\n`);
  expect(idsOf(rest.stdout)).toEqual([0, 1, 2, 4].map((at) => all[at]!.id));
  const none = await run(["dead-letters", "export", "--component", "nosuch"]);
  expect(none).toMatchObject({ code: 0, stdout: "" });
});

test("an import that was interrupted can be run again", async () => {
  const from = await operated(...Array.from({ length: 700 }, (_, at) => sampleDeadLetter(at)));
  const { stdout } = await from.run(["dead-letters", "export"]);
  const to = await operated();
  const cut = await to.run(["dead-letters", "import", written(stdout.slice(0, -100))]);
  expect(cut.code).toBe(1);
  expect(cut.stdout).toBe("699 dead letters imported\n");
  expect(cut.stderr).toMatch(/^cufflink: line 700 is no dead letter of an export: .*JSON/);
  to.store.failing.set("import", "the disk is full");
  const failed = await to.run(["dead-letters", "import", written(stdout)]);
  expect(failed).toMatchObject({
    code: 1,
    stderr: "cufflink: the lines from 1 on could not be imported: the disk is full\n",
  });
  to.store.failing.clear();
  const whole = await to.run(["dead-letters", "import", written(stdout), "--json"]);
  expect(JSON.parse(whole.stdout)).toEqual({ imported: 1, present: 699, expired: 0 });
  expect(to.store.deadLetters.size).toBe(700);
});

test("what is kept no longer, or has no room, is told and removes nothing", async () => {
  const from = await operated(...all);
  const file = written((await from.run(["dead-letters", "export"])).stdout);
  const old = await operated();
  old.store.keepsFrom = all[1]!.storedAt;
  expect(await old.run(["dead-letters", "import", file])).toMatchObject({
    code: 1,
    stdout:
      "4 dead letters imported, 1 older than --dead-letters-max-age of the runtime and left out\n",
  });
  const small = await operated();
  small.store.room = 2;
  const full = await small.run(["dead-letters", "import", file]);
  expect(full.code).toBe(1);
  expect(full.stderr).toMatch(/^cufflink: line 3 .*raise --dead-letters-max-count/);
  expect(small.store.deadLetters.size).toBe(2);
});

test("one that is larger than the runtime takes keeps those before it from nothing", async () => {
  const data = Buffer.alloc(5_000_000);
  const from = await operated(...all, sampleDeadLetter(6, { event: { ...event, data } }));
  const { stdout } = await from.run(["dead-letters", "export"]);
  const [large = "", ...rest] = stdout.trim().split("\n").toReversed();
  const to = await operated();
  const file = written([...rest.slice(0, 3), large, ...rest.slice(3)].join("\n"));
  const { code, stderr } = await to.run(["dead-letters", "import", file]);
  expect(code).toBe(1);
  expect(stderr).toMatch(/line(s from)? 4 .*--max-body-size/);
  expect(to.store.deadLetters.size).toBe(3);
});

test.each<[string, RegExp]>([
  ["[]", /line 1 is no dead letter of an export/],
  ['{"nosuch": 1}', /line 1 is no dead letter of an export: .*nosuch/],
  [
    '{"id": "a"}',
    /the lines from 1 on could not be imported: dead letter "a": its id is not a UUID/,
  ],
  [
    '{"id": "01900000-0000-7000-8000-000000000001", "dataOmitted": true}',
    /its payload was left out when it was listed/,
  ],
])("%s is none", async (line, message) => {
  const { run, store } = await operated();
  const { code, stderr } = await run(["dead-letters", "import", written(`${line}\n`)]);
  expect(code).toBe(1);
  expect(stderr).toMatch(message);
  expect(store.deadLetters.size).toBe(0);
});

test("a file that cannot be read is told", async () => {
  const { run } = await operated();
  const path = folder({});
  mkdirSync(join(path, "sub"));
  for (const file of ["nosuch", "sub"]) {
    const { code, stderr } = await run(["dead-letters", "import", join(path, file)]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^cufflink: E(NOENT|ISDIR): /);
  }
});

test("both hold little of a large file", { timeout: 60_000 }, async () => {
  const data = Buffer.alloc(500_000, "x");
  const from = await operated(
    ...Array.from({ length: 200 }, (_, at) => sampleDeadLetter(at, { event: { ...event, data } })),
  );
  const to = await operated();
  // Either process tells at its end the most that it has taken, in KiB.
  const tell = `process.on("exit",()=>process.stderr.write("most="+process.resourceUsage().maxRSS))`;
  const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(tell)}` };
  const most = (stderr: string): number => Number(/^most=(\d+)$/.exec(stderr)?.[1]) / 1024;
  const idle = await cufflink(["dead-letters", "totals", "--json", to.address], { env });
  const exported = await cufflink(["dead-letters", "export", from.address], { env });
  expect(exported.stdout.length).toBeGreaterThan(130_000_000);
  const args = ["dead-letters", "import", "-", to.address];
  const imported = await cufflink(args, { env, input: exported.stdout });
  expect(imported).toMatchObject({ code: 0, stdout: "200 dead letters imported\n" });
  expect(to.store.deadLetters.size).toBe(200);
  const mebibytes = [idle, exported, imported].map(({ stderr }) => most(stderr));
  // All of it would be more than 130 MiB, as text or as bytes.
  expect(Math.max(...mebibytes)).toBeLessThan(mebibytes[0]! + 120);
});

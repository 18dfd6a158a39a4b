import { expect, test } from "vitest";
import type { Reply } from "../../../src/runtime/app.ts";
import { fanOutSteps, runFanOut } from "../../../src/runtime/delivery/fan-out.ts";

function wanted(reply: Reply | undefined, replyFanOut = false) {
  const calls: string[] = [];
  const fanOut = fanOutSteps(reply, replyFanOut, {
    create: async (name, data) => void calls.push(`create ${name} ${text(data)}`),
    save: async (store, states) =>
      void calls.push(
        `save ${store} ${states.map(({ key, value }) => `${key}=${text(value)}`).join()}`,
      ),
  });
  return { fanOut, calls };
}

const { signal } = new AbortController();

const text = (data: Uint8Array | undefined): string => Buffer.from(data ?? "-").toString();

const json = (body: unknown): Reply => ({
  source: "http",
  data: Buffer.from(typeof body === "string" ? body : JSON.stringify(body)),
});

test("gRPC: `to` always, `states` only where the component says so", async () => {
  const reply: Reply = {
    source: "grpc",
    to: ["a", "b"],
    data: Buffer.from("x"),
    storeName: "store",
    states: [{ key: "k", value: Buffer.from("v") }],
  };
  const plain = wanted(reply);
  await runFanOut(plain.fanOut, signal);
  expect(plain.calls).toEqual(["create a x", "create b x"]);
  const whole = wanted(reply, true);
  await runFanOut(whole.fanOut, signal);
  expect(whole.calls).toEqual(["save store k=v", "create a x", "create b x"]);
});

test("HTTP: nothing unless the component says so", () => {
  expect(wanted(json({ to: ["a"] })).fanOut.steps).toEqual([]);
  expect(wanted(undefined, true).fanOut.steps).toEqual([]);
});

test("HTTP: Dapr's JSON reply", async () => {
  const { fanOut, calls } = wanted(
    json({
      to: ["a"],
      concurrency: "PARALLEL",
      data: { n: 1 },
      storeName: "store",
      state: [{ key: "k", value: "v" }, { key: "none" }],
    }),
    true,
  );
  expect(fanOut.concurrency).toBe("parallel");
  await runFanOut(fanOut, signal);
  expect(calls).toEqual(['save store k="v",none=null', 'create a {"n":1}']);
});

test.each([["no JSON"], ["[1]"], ['"text"'], ["null"], ["{}"], [""]])(
  "HTTP: %s asks for nothing",
  (body) => {
    expect(wanted(json(body), true).fanOut.steps).toEqual([]);
  },
);

test("HTTP: a state without a key is refused by name", () => {
  expect(() => wanted(json({ state: [{ value: 1 }] }), true)).toThrow(/state.*key/);
});

const step = (target: string, ran: string[], fails = false) => ({
  target,
  async run() {
    ran.push(target);
    if (fails) throw new Error(`${target} is down`);
  },
});

test("one after another up to the first failure", async () => {
  const ran: string[] = [];
  const steps = [step("a", ran), step("b", ran, true), step("c", ran)];
  const { remaining, reason } = await runFanOut({ steps, concurrency: undefined }, signal);
  expect(ran).toEqual(["a", "b"]);
  expect(remaining.map(({ target }) => target)).toEqual(["b", "c"]);
  expect(reason).toBe("reply to b: b is down");
});

test("in parallel all are tried, and what failed remains", async () => {
  const ran: string[] = [];
  const steps = [step("a", ran, true), step("b", ran), step("", ran, true)];
  const { remaining, reason } = await runFanOut({ steps, concurrency: "parallel" }, signal);
  expect(ran).toEqual(["a", "b", ""]);
  expect(remaining.map(({ target }) => target)).toEqual(["a", ""]);
  expect(reason).toBe("reply to a: a is down; reply to (no name):  is down");
});

test("steps that take too long are abandoned", async () => {
  const hanging = { steps: [{ target: "a", run: () => new Promise<void>(() => undefined) }] };
  const giving = new AbortController();
  const ran = runFanOut({ ...hanging, concurrency: undefined }, giving.signal);
  giving.abort(new Error("no more time"));
  await expect(ran).rejects.toThrow("no more time");
  const late = runFanOut({ ...hanging, concurrency: "parallel" }, giving.signal);
  await expect(late).rejects.toThrow("no more time");
});

import { afterEach, describe, expect, test } from "vitest";
import { poison } from "../../../src/testkit/index.ts";
import { parseFault } from "../../../src/testkit/app/faults.ts";
import { component, Kits, mail, orders } from "./kits.ts";

const kits = new Kits();
afterEach(() => kits.close());

describe("what people write", () => {
  test.each([
    ["orders: fail 3rd", { action: { kind: "fail" }, which: { kind: "only", number: 3 } }],
    ["orders: fail the 21st", { which: { kind: "only", number: 21 } }],
    ["orders: fail", { which: { kind: "each" } }],
    ["orders: fail first 3", { which: { kind: "first", number: 3 } }],
    ["orders: fail from 4th", { which: { kind: "from", number: 4 } }],
    ["orders: fail after 4th", { which: { kind: "from", number: 5 } }],
    [
      "mail/create: fail 2nd as resource_exhausted",
      {
        ...{ component: "mail", operation: "create", which: { kind: "only", number: 2 } },
        action: { kind: "fail", reason: "resource_exhausted", effect: "rejected" },
      },
    ],
    [
      "mail: fail as unavailable unsent first 2",
      {
        action: { kind: "fail", reason: "unavailable", effect: "unsent" },
        which: { kind: "first", number: 2 },
      },
    ],
    [" orders :  Delay 1m30s 1 in 3 ", { action: { kind: "delay", milliseconds: 90_000 } }],
    ["orders: poison 1 in 100", { which: { kind: "of", number: 1, each: 100 } }],
    [
      "orders: cut at ack",
      { action: { kind: "cut", at: "ack" }, which: { kind: "only", number: 1 } },
    ],
  ])("%s", (text, rule) => {
    expect(parseFault(text)).toMatchObject({ component: expect.any(String), ...rule });
  });

  test.each([
    ["fail 3rd", "it names no component"],
    ["orders: ", '"" is no fault'],
    ["orders: explode", '"explode" is no fault'],
    ["orders: posion", "did you mean poison?"],
    ["orders: delay", "delay needs a duration"],
    ["orders: delay 5", 'a duration such as "5s" or "250ms", not "5"'],
    ["orders: cut", 'cut needs to know where: "cut at event"'],
    ["orders: cut at noon", "cut needs to know where"],
    ["orders: fail third", '"third" does not say which; say "3rd"'],
    ["orders: fail 0th", "does not say which"],
    ["orders: poison 3 in 2", "does not say which"],
    ["orders: fail as unavailible", "did you mean unavailable?"],
    ["orders: fail as", '"" is no reason of a failure; it is one of cancelled'],
  ])("%s: %s", (text, why) => {
    expect(() => parseFault(text)).toThrow(why);
    expect(() => parseFault(text)).toThrow("is not understood");
  });

  test("a fault that cannot strike its component is refused", async () => {
    const kit = await kits.of({
      components: [mail, component("tick", "cron", { schedule: "@hourly" })],
    });
    const refused = (fault: string) => expect(() => kit.fault(fault));
    refused("mial: fail").toThrow('did you mean "mail"?');
    refused("mail: poison").toThrow("it reads no events");
    refused("tick: cut at call").toThrow("it cannot be invoked");
    refused("mail/erase: fail").toThrow("it has no operation erase: it has create");
  });
});

describe("of outputs", () => {
  test("fail 3rd: the third call fails, and nobody knows whether it was done", async () => {
    const kit = await kits.of({ components: [mail], faults: ["mail: fail 3rd"] });
    const send = () => kit.invoke("mail", "create", { data: "x" });
    await send();
    await send();
    await expect(send()).rejects.toMatchObject({
      ...{ reason: "unavailable", effect: "ambiguous", message: "scripted fault: unavailable" },
    });
    await send();
    expect(kit.output("mail").calls).toHaveLength(3);
    expect(kit.output("mail").attempts).toHaveLength(4);
  });

  test("what was not sent is tried again by the true policy", async () => {
    const kit = await kits.of({
      components: [mail],
      faults: ["mail: fail first 2 as unavailable unsent"],
    });
    await kit.clock.until(kit.invoke("mail", "create", { data: "x" }));
    expect(kit.output("mail").attempts.map(({ outcome }) => outcome?.kind)).toEqual([
      ...["failed", "failed", "answered"],
    ]);
  });

  test("delay 5s: the answer needs the test's time", async () => {
    const kit = await kits.of({ components: [mail], faults: ["mail: delay 5s"] });
    let isSent = false;
    const sent = kit.invoke("mail", "create").then(() => (isSent = true));
    await kit.clock.advance("4999ms");
    expect(isSent).toBe(false);
    await kit.clock.advance(1);
    await sent;
  });

  test("cut at call: it was done, the answer is lost, and the component connects anew", async () => {
    const kit = await kits.of({ components: [mail], faults: ["mail: cut at call"] });
    await expect(kit.invoke("mail", "create")).rejects.toMatchObject({
      ...{ reason: "unavailable", effect: "ambiguous" },
    });
    expect(kit.output("mail").calls).toMatchObject([{ outcome: { kind: "cut" } }]);
    await kit.clock.until(kit.invoke("mail", "create"));
    expect(kit.output("mail").calls).toHaveLength(2);
  });

  test("a fault that is taken back does not strike", async () => {
    const kit = await kits.of({ components: [mail], faults: ["mail: fail"] });
    await expect(kit.invoke("mail", "create")).rejects.toThrow("scripted fault");
    kit.clearFaults("mail");
    await kit.invoke("mail", "create");
  });
});

describe("of inputs", () => {
  test("fail 1st: an attempt fails, and the next comes after the pause of the policy", async () => {
    const seen: string[] = [];
    const kit = await kits.of({
      components: [orders],
      app: { bindings: { orders: (event) => void seen.push(event.text()) } },
    });
    kit.input("orders").fault("fail 1st");
    const delivered = kit.input("orders").deliver("x");
    await kit.clock.advance("999ms");
    expect(seen).toEqual([]);
    await kit.clock.advance("1ms");
    expect(await delivered).toMatchObject({ outcome: "handled", attempts: 2, deliveries: 1 });
    expect(seen).toEqual(["x"]);
  });

  test("poison 1 in 3: each third event is poisoned, and ends in the dead letters", async () => {
    const kit = await kits.of({
      components: [orders],
      faults: ["orders: poison 1 in 3"],
      app: { bindings: { orders: (event) => void event.json() } },
    });
    const all = Promise.all(
      Array.from({ length: 7 }, (_, index) => kit.input("orders").deliver({ json: { index } })),
    );
    const settlements = await kit.clock.until(all);
    expect(settlements.map(({ attempts }) => attempts)).toEqual([1, 1, 3, 1, 1, 3, 1]);
    const { deadLetters } = await kit.deadLetters.list();
    expect(deadLetters.map(({ event }) => Buffer.from(event.data ?? []))).toEqual([
      ...[Buffer.from(poison), Buffer.from(poison)],
    ]);
  });

  test("delay 5s: events come late, in their order", async () => {
    const seen: string[] = [];
    const kit = await kits.of({
      components: [orders],
      faults: ["orders: delay 5s 1st"],
      app: { bindings: { orders: (event) => void seen.push(event.text()) } },
    });
    const all = [kit.input("orders").deliver("1"), kit.input("orders").deliver("2")];
    await kit.clock.advance("4s");
    expect(seen).toEqual([]);
    await kit.clock.advance("1s");
    await Promise.all(all);
    expect(seen).toEqual(["1", "2"]);
  });

  test("cut at ack: the app has handled it, its source has not heard of it, and it comes again", async () => {
    const seen: number[] = [];
    const kit = await kits.of({
      components: [orders],
      faults: ["orders: cut at ack"],
      app: { bindings: { orders: (event) => void seen.push(event.attempt) } },
    });
    const delivered = await kit.clock.until(kit.input("orders").deliver("x"));
    expect(delivered).toMatchObject({ outcome: "handled", attempts: 2, deliveries: 2 });
    expect(seen).toHaveLength(2);
  });

  test("cut at ack, with deduplication: the app sees the event once", async () => {
    let seen = 0;
    const { spec, ...rest } = orders;
    const deduplicated = {
      ...rest,
      spec: { ...spec, metadata: [...spec.metadata, { name: "deduplicate", value: "id" }] },
    };
    const kit = await kits.of({
      components: [deduplicated],
      faults: ["orders: cut at ack"],
      app: { bindings: { orders: () => void seen++ } },
    });
    const delivered = await kit.clock.until(kit.input("orders").deliver("x"));
    expect(delivered).toMatchObject({ outcome: "handled", attempts: 1, deliveries: 2 });
    expect(seen).toBe(1);
  });

  test("cut at event: what the app has goes on, and comes again all the same", async () => {
    let seen = 0;
    const kit = await kits.of({
      components: [orders],
      faults: ["orders: cut at event 2nd"],
      app: { bindings: { orders: () => void seen++ } },
    });
    const input = kit.input("orders");
    const all = Promise.all([input.deliver("1"), input.deliver("2"), input.deliver("3")]);
    const settlements = await kit.clock.until(all);
    expect(settlements).toMatchObject([
      { outcome: "handled" },
      { deliveries: 2 },
      { deliveries: 1 },
    ]);
    expect(seen).toBeGreaterThanOrEqual(4);
  });

  test("a source that keeps nothing loses what was not acknowledged", async () => {
    const kit = await kits.of({
      components: [component("news", "websocket", { url: "wss://news.example/feed" })],
      app: { bindings: { news: () => {} } },
    });
    kit.input("news").fault("cut at ack");
    const delivered = await kit.clock.until(kit.input("news").deliver("x"));
    expect(delivered).toMatchObject({ outcome: "lost", deliveries: 1 });
  });
});

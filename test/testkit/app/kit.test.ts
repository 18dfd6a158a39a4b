import { afterEach, describe, expect, test } from "vitest";
import { DeadLetter, Retry } from "../../../src/index.ts";
import { component, Kits, mail, orders } from "./kits.ts";

const kits = new Kits();
afterEach(() => kits.close());

describe("events and calls", () => {
  test("an event goes through the app to an output, and its source is told", async () => {
    const kit = await kits.of({
      components: [orders, mail],
      app: (kit) => ({
        bindings: {
          async orders(event) {
            const { id } = event.json() as { id: number };
            await kit.invoke("mail", "create", {
              data: `order ${id}`,
              metadata: { emailTo: "shop@example.com" },
            });
          },
        },
      }),
    });
    const settlement = await kit.input("orders").deliver({ json: { id: 42 } });
    expect(settlement).toMatchObject({ outcome: "handled", attempts: 1, deliveries: 1 });
    const [call] = kit.output("mail").calls;
    expect(call).toMatchObject({ operation: "create", metadata: { emailTo: "shop@example.com" } });
    expect(call?.text()).toBe("order 42");
  });

  test("an event keeps its payload, its headers, its key, its metadata and its id", async () => {
    const seen: unknown[] = [];
    const kit = await kits.of({
      components: [orders],
      app: {
        onBindingEvent(event) {
          const { id, key, metadata } = event;
          seen.push([id, String(key), metadata, event.header("Kind"), event.text()]);
        },
      },
    });
    await kit.input("orders").deliver({
      ...{ data: "x", id: "one", key: "a", headers: { Kind: "new" }, metadata: { topic: "t" } },
    });
    expect(seen).toEqual([["one", "a", { topic: "t" }, "new", "x"]]);
  });

  test("a reply is in the settlement, and its outputs and states are called", async () => {
    const kit = await kits.of({
      components: [
        component("hook", "rabbitmq", {
          ...{ host: "amqp://broker", queueName: "hook", replyFanOut: "true" },
        }),
        mail,
        component("store", "state:redis", { redisHost: "localhost:6379" }),
      ],
      app: {
        bindings: {
          hook: () => ({
            ...{ data: "done", to: ["mail"], storeName: "store" },
            states: [{ key: "k", value: "v" }],
          }),
        },
      },
    });
    const settlement = await kit.input("hook").deliver("x");
    expect(settlement).toMatchObject({ outcome: "handled", reply: { data: Buffer.from("done") } });
    expect(kit.output("mail").calls.map((call) => call.text())).toEqual(["done"]);
    expect([...kit.states("store")].map(([key, value]) => [key, String(value)])).toEqual([
      ["k", "v"],
    ]);
  });

  test("events of a key are handled in order, others beside them", async () => {
    const handled: string[] = [];
    const first = Promise.withResolvers<void>();
    const kit = await kits.of({
      components: [orders],
      app: {
        bindings: {
          async orders(event) {
            if (event.text() === "a1") await first.promise;
            handled.push(event.text());
          },
        },
      },
    });
    const input = kit.input("orders");
    const all = [
      input.deliver({ data: "a1", key: "a" }),
      input.deliver({ data: "a2", key: "a" }),
      input.deliver({ data: "b1", key: "b" }),
    ];
    await all[2];
    expect(handled).toEqual(["b1"]);
    first.resolve();
    await Promise.all(all);
    expect(handled).toEqual(["b1", "a1", "a2"]);
  });

  test("operations answer what the test says: once, always, by the call, or with a failure", async () => {
    const kit = await kits.of({
      components: [component("db", "redis", { redisHost: "localhost:6379" })],
    });
    const db = kit.output("db");
    db.on("get", ({ metadata }) => ({ data: `value of ${metadata["key"]}` }));
    db.once("get", { json: { first: true }, metadata: { version: "1" } });
    const get = () => kit.invoke("db", "get", { metadata: { key: "k" } });
    expect(await get()).toEqual({
      ...{ data: Buffer.from('{"first":true}'), metadata: { version: "1" } },
    });
    expect(await get()).toEqual({ data: Buffer.from("value of k") });
    db.once("get", () => {
      throw new Error("no");
    });
    await expect(get()).rejects.toMatchObject({ message: "no", effect: "ambiguous" });
    expect(await kit.invoke("db", "create", { data: "x", metadata: { key: "k" } })).toBeUndefined();
    expect(db.calls.map(({ operation }) => operation)).toEqual(["get", "get", "create"]);
    expect(db.attempts.length).toBeGreaterThan(3);
    expect(() => db.on("got", {})).toThrow('db has no operation "got"; did you mean "get"?');
  });

  test("the next call can be waited for", async () => {
    const kit = await kits.of({ components: [mail] });
    const next = kit.output("mail").next();
    void kit.invoke("mail", "create", { data: "x" });
    expect((await next).text()).toBe("x");
  });

  test("calls fail as those of the true runtime do", async () => {
    const kit = await kits.of({
      components: [
        mail,
        component("bus", "nats", { url: "nats://bus", subject: "s", direction: "output" }),
      ],
    });
    await expect(kit.invoke("mail", "erase")).rejects.toThrow(
      "binding mail does not support operation erase. supported operations:create",
    );
    await expect(kit.invoke("nothing", "create")).rejects.toThrow(
      "couldn't find output binding nothing",
    );
    const wrong = kit.invoke("bus", "create", { metadata: { expectedLastSequence: "last" } });
    await expect(wrong).rejects.toMatchObject({
      reason: "invalid_argument",
      message: 'the request\'s metadata expectedLastSequence: "last" is not an integer',
    });
    expect(kit.output("bus").attempts).toEqual([]);
  });

  test("a component's mistakes are told when the kit is made, or are its state", async () => {
    const wrong = component("orders", "rabbitmq", { queueName: "orders" });
    await expect(kits.of({ components: [wrong] })).rejects.toThrow(
      /component orders has failed: .*host/,
    );
    const unknown = component("orders", "rabitmq");
    await expect(kits.of({ components: [unknown] })).rejects.toThrow(
      "did you mean bindings.rabbitmq?",
    );
    const kit = await kits.of({
      components: [wrong],
      allowFailed: true,
      app: { bindings: { orders() {} } },
    });
    expect(kit.components()).toMatchObject([{ name: "orders", state: "failed" }]);
    await expect(kit.input("orders").deliver("x")).rejects.toThrow(
      "component orders reads nothing: it has failed: ",
    );
  });

  test("an event for an input that the app does not want is refused at once", async () => {
    const kit = await kits.of({ components: [orders], app: { bindings: {} } });
    await expect(kit.input("orders").deliver("x")).rejects.toThrow(
      "component orders reads nothing: the app does not want its events",
    );
    expect(() => kit.input("order")).toThrow('did you mean "orders"?');
    expect(() => kit.output("orders").calls).not.toThrow();
  });

  test("what a kit without an app, or a state store, cannot do is said", async () => {
    const store = component("store", "state:redis", { redisHost: "localhost:6379" });
    const kit = await kits.of({ components: [orders, mail, store] });
    await kit.ready();
    await expect(kit.input("orders").deliver("x")).rejects.toThrow("the kit was given no app");
    expect(() => kit.input("mail")).toThrow("it reads no events, it is invoked (create");
    expect(() => kit.output("store")).toThrow('ask states("store")');
    expect(kit.states("store").size).toBe(0);
    const app = { bindings: { orders() {} } };
    await expect(kits.of({ components: [mail], app, now: "noon" })).rejects.toThrow(
      '"noon" is no time',
    );
    await expect(kits.of({ components: [mail], faults: ["mail"] })).rejects.toThrow(
      "it names no component",
    );
  });

  test("files of production are read as they are, and secrets that cannot be read are named", async () => {
    const kit = await kits.of({
      components: [
        {
          ...{ apiVersion: "dapr.io/v1alpha1", kind: "Component", metadata: { name: "vault" } },
          spec: {
            ...{ type: "secretstores.hashicorp.vault", version: "v1" },
            metadata: [
              { name: "vaultAddr", value: "https://vault.invalid" },
              { name: "vaultToken", value: "token" },
            ],
          },
        },
        {
          ...{ apiVersion: "dapr.io/v1alpha1", kind: "Component", metadata: { name: "orders" } },
          auth: { secretStore: "vault" },
          spec: {
            ...{ type: "bindings.rabbitmq", version: "v1" },
            metadata: [
              { name: "host", secretKeyRef: { name: "broker", key: "url" } },
              { name: "queueName", value: "orders" },
            ],
          },
        },
      ],
    });
    expect(kit.replacedSecrets).toEqual([
      {
        ...{ component: "orders", property: "host", secret: "vault/broker/url" },
        reason: expect.stringContaining('the secret store "vault" is remote, and is not asked'),
      },
    ]);
    expect(kit.problems).toEqual([]);
  });
});

describe("failures of the app", () => {
  test("a dead letter is kept, and can be redriven", async () => {
    let isMended = false;
    const kit = await kits.of({
      components: [orders],
      app: {
        bindings: {
          orders() {
            if (!isMended) throw new DeadLetter("no");
          },
        },
      },
    });
    const settlement = await kit.input("orders").deliver({ data: "x", id: "one" });
    expect(settlement).toMatchObject({ outcome: "handled", movedTo: "dead letters" });
    const { deadLetters } = await kit.deadLetters.list();
    expect(deadLetters).toMatchObject([{ component: "orders", event: { id: "one" } }]);
    isMended = true;
    expect(await kit.deadLetters.redrive("all")).toMatchObject([{ outcome: "handled" }]);
    expect((await kit.deadLetters.list()).deadLetters).toEqual([]);
    expect((await kit.why("one")).records).toMatchObject([{}, {}]);
  });

  test("an event whose attempts are used up is a dead letter, after the pauses of its policy", async () => {
    const kit = await kits.of({
      components: [orders],
      app: {
        bindings: {
          orders() {
            throw new Retry("never");
          },
        },
      },
    });
    const delivered = kit.input("orders").deliver("x");
    expect(await kit.clock.until(delivered)).toMatchObject({
      ...{ outcome: "handled", movedTo: "dead letters", attempts: 3 },
    });
  });
});

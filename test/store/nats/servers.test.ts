import { once } from "node:events";
import { createServer } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { describeWith } from "../../servers/describe-with.ts";
import { natsEngine } from "../engines.ts";
import { deadLetter } from "../records.ts";

test("a server that is too old is refused, with the version that is needed", async () => {
  const old = createServer((socket) => {
    const info = { server_id: "a", server_name: "a", version: "2.10.29", proto: 1, headers: true };
    socket.write(
      `INFO ${JSON.stringify({ ...info, max_payload: 1_048_576, jetstream: true })}\r\n`,
    );
    socket.on("data", (data) => {
      if (data.includes("PING")) socket.write("PONG\r\n");
    });
    socket.on("error", () => undefined);
  });
  old.listen(0, "127.0.0.1");
  await once(old, "listening");
  onTestFinished(() => void old.close());
  const { port } = old.address() as { port: number };
  const store = natsEngine(`nats://127.0.0.1:${port}`).open("shop");
  await store.look();
  expect(store.trouble).toBe(
    "the NATS server has version 2.10.29, and the store needs 2.12 or newer; update it",
  );
  await expect(store.attempts.load("orders")).rejects.toThrow("2.12 or newer");
});

test("where nothing listens that is said at once, and nothing waits for it", async () => {
  const store = natsEngine("nats://127.0.0.1:1").open("shop");
  await store.look();
  expect(store.trouble).toContain("connecting to NATS at 127.0.0.1:1");
  await expect(store.deadLetters.put(deadLetter(), "f")).rejects.toMatchObject({
    ...{ reason: "unavailable", effect: "unsent" },
  });
});

describeWith("nats", { own: true, config: ["max_payload: 65536"] }, (server) => {
  test("what no batch can hold is refused, and is not there", async () => {
    const store = natsEngine(server.url).open("shop");
    const data = Buffer.alloc(60 * 1024 * 1024);
    const letter = deadLetter({ event: { data } });
    await expect(store.deadLetters.put(letter, "f")).rejects.toMatchObject({
      ...{ reason: "invalid_argument", message: expect.stringContaining("max_payload") },
    });
    expect(await store.deadLetters.get(letter.id)).toBeUndefined();
    expect(store.trouble).toBeUndefined();
    const fits = deadLetter({ event: { data: data.subarray(0, 1024 * 1024) } });
    await store.deadLetters.put(fits, "f");
    expect((await store.deadLetters.get(fits.id))?.event.data?.length).toBe(1024 * 1024);
  });
});

const without = "accounts { A { users: [{ user: a, password: a }] } }";

describeWith("nats", { own: true, config: [without] }, (server) => {
  test("where there is no JetStream that is said, with what to do", async () => {
    const store = natsEngine(server.url.replace("//", "//a:a@")).open("shop");
    await store.look();
    expect(store.trouble).toMatch(/JetStream.*enable/);
  });
});

const account = "accounts { A { jetstream: { max_file: 2M }, users: [{ user: a, password: a }] } }";

describeWith("nats", { own: true, config: [account] }, (server) => {
  test("a full account is trouble, with what to do, and what is there stays", async () => {
    const store = natsEngine(server.url.replace("//", "//a:a@")).open("shop");
    const put = () =>
      store.deadLetters.put(deadLetter({ event: { data: Buffer.alloc(300_000) } }), "f");
    const first = await put();
    const fill = async () => {
      for (let number = 0; number < 20; number++) await put();
    };
    await expect(fill()).rejects.toMatchObject({ reason: "unavailable" });
    expect(store.trouble).toContain("give JetStream more room");
    expect((await store.deadLetters.get(first))?.id).toBe(first);
    const listed = await store.deadLetters.list({}, { limit: 100, maxData: 1 });
    await store.deadLetters.remove(listed.slice(0, 3).map(({ id }) => id));
  });
});

describeWith("nats", ({ url }) => {
  test("two processes that announce one replica id are told of each other", async () => {
    const engine = natsEngine(url);
    const place = engine.place();
    const [one, other] = [engine.open(place).replicas, engine.open(place).replicas];
    const record = { id: "a", host: "here", version: "1", startedAt: 1, components: [] };
    const second = { ...record, host: "there", startedAt: 2 };
    await one.announce(record, 60_000);
    await one.announce(record, 60_000);
    // It may be the one that comes after the first.
    await other.announce(second, 60_000);
    await expect(one.announce(record, 60_000)).rejects.toMatchObject({
      ...{ reason: "already_exists", message: expect.stringContaining("on there, is replica a") },
    });
    await expect(other.announce(second, 60_000)).rejects.toThrow("--replica-id");
    expect(await one.list()).toMatchObject([{ host: "there" }]);
    // One that has gone is no other.
    await one.withdraw("a");
    await other.announce(second, 60_000);
  });

  test("where there are fewer servers than copies that were asked for, that is said", async () => {
    const engine = natsEngine(url);
    const place = engine.place();
    const many = engine.open(place, { replicas: 3 });
    await many.look();
    expect(many.trouble).toContain("for fewer copies than 3 say --store-replicas");
    const usual = engine.open(place);
    await usual.look();
    expect(usual.trouble).toBeUndefined();
  });
});

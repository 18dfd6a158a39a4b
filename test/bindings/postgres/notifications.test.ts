import { expect, test, vi } from "vitest";
import postgres from "../../../src/bindings/postgres/index.ts";
import { describeWith, uniqueName } from "../../servers/describe-with.ts";
import { startProxy } from "../../servers/proxy.ts";
import { endAfterTest, read } from "../contract.ts";
import { openInput } from "../opened-input.ts";
import { ask, words } from "./databases.ts";

const eventually = { timeout: 15_000, interval: 10 };

function listening(server: { host: string; port: number }, channels: string) {
  return { connectionString: words(server), mode: "listen", channels, direction: "input" };
}

/** A text in a statement. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

describeWith("postgres", (server) => {
  const notify = (channel: string, payload: string) =>
    ask(server, `SELECT pg_backend_pid(), pg_notify(${quoted(channel)}, ${quoted(payload)})`);

  test("the payload is the data; channel and sender are told", async () => {
    const channels = [uniqueName("orders"), uniqueName("returns")];
    const input = await openInput(postgres, listening(server, channels.join(" , ")));
    const payload = `grün "quoted" {"a": 1}\n\u{1f600}`;
    const [[sender] = []] = await notify(channels[1] ?? "", payload);
    const event = await input.next();
    expect(Buffer.from(event.data ?? []).toString()).toBe(payload);
    expect(event.metadata).toEqual({ channel: channels[1], processId: sender });
    await notify(channels[0] ?? "", "");
    expect((await input.next()).data).toEqual(Buffer.alloc(0));
    expect(input.logger.info).toHaveBeenCalledWith(
      { channels },
      expect.stringContaining(
        "notifications that are sent while this process is not connected are lost",
      ),
    );
  });

  test("a channel is named as it is, or refused", async () => {
    const name = `a"b'c; DROP TABLE x; -- ../${uniqueName("x")}`;
    const input = await openInput(postgres, listening(server, name));
    await notify(name, "hello");
    expect((await input.next()).metadata["channel"]).toBe(name);
    const names = ["a\0b", "x".repeat(64), "x".repeat(65_536)];
    for (const one of names)
      await expect(openInput(postgres, listening(server, one))).rejects.toThrow(/NUL|63 bytes/);
    const odd = `CR\r\nLF${uniqueName("x")}`;
    const other = await openInput(postgres, listening(server, odd));
    await notify(odd, "hello");
    expect((await other.next()).metadata["channel"]).toBe(odd);
  });

  test("while the app takes no more the rest waits at the server", async () => {
    const channel = uniqueName("orders");
    const room = Promise.withResolvers<void>();
    const input = await openInput(postgres, listening(server, channel), {
      room: () => room.promise,
    });
    await ask(
      server,
      `SELECT pg_notify('${channel}', n || repeat('x', 5000)) FROM generate_series(1, 3000) n`,
    );
    await vi.waitFor(() => expect(input.events.length).toBeGreaterThan(0), eventually);
    const few = input.events.length;
    expect(few).toBeLessThan(500);
    room.resolve();
    await vi.waitFor(() => expect(input.events.length).toBe(3_000), eventually);
  });

  test("after a cut it listens again; what was sent meanwhile is lost", async () => {
    const proxy = await startProxy(server);
    endAfterTest(async () => proxy[Symbol.asyncDispose]());
    const channel = uniqueName("orders");
    const { app, status } = await read(
      { binding: postgres },
      { properties: listening(proxy, channel) },
    );
    await vi.waitFor(() => expect(status().state).toBe("running"), eventually);
    await notify(channel, "1");
    await vi.waitFor(() => expect(app.texts).toEqual(["1"]), eventually);
    proxy.refuse();
    await vi.waitFor(() => expect(status().state).toBe("reconnecting"), eventually);
    await notify(channel, "2");
    proxy.heal();
    await vi.waitFor(() => expect(status().state).toBe("running"), eventually);
    await notify(channel, "3");
    await vi.waitFor(() => expect(app.texts).toEqual(["1", "3"]), eventually);
  });

  test("it needs no right but to connect", async () => {
    const user = uniqueName("user").replaceAll("-", "_");
    await ask(server, `CREATE ROLE ${user} LOGIN PASSWORD 'secret'`);
    endAfterTest(() => ask(server, `DROP ROLE ${user}`));
    const channel = uniqueName("orders");
    const input = await openInput(postgres, {
      ...listening(server, channel),
      user,
      password: "secret",
    });
    await notify(channel, "hello");
    expect(Buffer.from((await input.next()).data ?? []).toString()).toBe("hello");
  });
});

import { expect, test, vi } from "vitest";
import { describeWith } from "../servers/describe-with.ts";
import { relayedApp } from "./relayed.ts";

const soon = { timeout: 20_000, interval: 10 };
const login = { user: "a", password: "a" };

function account(limits: string): { own: true; config: string[] } {
  const users = "users: [{ user: a, password: a }]";
  return { own: true, config: [`accounts { A { jetstream: { ${limits} }, ${users} } }`] };
}

describeWith("nats", account("max_file: 4M, max_mem: 1M"), (server) => {
  test("where there is no room for the stream, the state says for which, how many bytes, and what to do", async () => {
    const app = relayedApp(server.url, { appId: "shop", login });
    app.fleet.owner = "a";
    const { status, close } = app.start("a", { values: { relayMaxBytes: "16Mi" } });
    await vi.waitFor(() => expect(status().reason).toContain("cufflink_relay_shop+orders"), soon);
    expect(status().state).toBe("reconnecting");
    expect(status().reason).toMatch(
      /asks for 16777216 bytes.*make relayMaxBytes smaller, or give JetStream more room \(max_file_store/,
    );
    await close();
    const fits = app.start("b", { values: { relayMaxBytes: "1Mi" } });
    app.fleet.owner = "b";
    await vi.waitFor(() => expect(fits.status().state).toBe("running"), soon);
    await fits.close();
    // It is there, and may not become larger than the account's share.
    const larger = app.start("c", { values: { relayMaxBytes: "32Mi" } });
    await vi.waitFor(
      () => expect(larger.status().reason).toMatch(/could not be changed.*asks for 33554432 bytes/),
      soon,
    );
  });
});

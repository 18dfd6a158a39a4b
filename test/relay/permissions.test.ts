import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { describeWith } from "../servers/describe-with.ts";
import { relayedApp } from "./relayed.ts";

/** What the page lists, for one app and its component. */
function listed(): string[] {
  const page = readFileSync(join(import.meta.dirname, "../../docs/relay.md"), "utf8");
  const [, section = ""] = page.split("## Permissions");
  const [table = ""] = section.split("\n## ");
  return [...table.matchAll(/^\| (`.*?) +\|/gm)].flatMap(([, cell = ""]) =>
    [...cell.matchAll(/`([^`]+)`/g)].map(([, subject = ""]) =>
      subject.replaceAll("APP", "shop").replaceAll("COMPONENT", "orders"),
    ),
  );
}

const subjects = listed();
const permissions = `{ publish: ${JSON.stringify(subjects)}, subscribe: ["_INBOX_shop.>"] }`;
const users = `{ user: shop, password: right, permissions: ${permissions} }`;

describeWith("nats", { own: true, config: [`authorization { users: [${users}] }`] }, (server) => {
  test("a user needs the rights that the page lists, and no others", async () => {
    const refusals: string[] = [];
    const login = { user: "shop", password: "right", inboxPrefix: "_INBOX_shop" };
    const app = relayedApp(server.url, { appId: "shop", login });
    const { source, fleet, start } = app;
    fleet.owner = "a";
    const [a, b] = [start("a"), start("b")];
    await vi.waitFor(() => {
      for (const { status } of [a, b]) expect(status()).toMatchObject({ state: "running" });
    }, soon);
    const texts = Array.from({ length: 50 }, (_, number) => String(number));
    source.send(...texts.map((text) => ({ text, key: text })));
    const all = (): string[] => [...a.app.texts, ...b.app.texts].toSorted();
    await vi.waitFor(() => expect(all()).toEqual(texts.toSorted()), soon);
    expect(b.app.texts.length).toBeGreaterThan(0);
    // It gives its partitions to the other one.
    await b.close();
    const large = "x".repeat(1_500_000);
    source.send({ text: large }, ...texts.map((text) => ({ text: `later ${text}`, key: text })));
    await vi.waitFor(() => expect(all().filter((text) => text === large)).toHaveLength(1), soon);
    await vi.waitFor(() => expect(all()).toHaveLength(101), soon);
    // Another limit of the stream.
    await a.close();
    const again = start("a", { values: { relayMaxBytes: "16Mi" } });
    await vi.waitFor(() => expect(again.status().state).toBe("running"), soon);
    source.send({ text: "last" });
    await vi.waitFor(() => expect(again.app.texts).toContain("last"), soon);
    for (const { logger } of [a, b, again])
      refusals.push(...logger.lines.map((line) => JSON.stringify(line)));
    expect(refusals.filter((line) => /permission/i.test(line))).toEqual([]);
    expect(server.log(1_000)).not.toContain("Violation");
  });
});

const soon = { timeout: 20_000, interval: 10 };

import { readFile, writeFile } from "node:fs/promises";
import { connect, nkeys } from "@nats-io/transport-node";
import { afterAll, expect, test, vi } from "vitest";
import nats from "../../../src/bindings/nats/index.ts";
import { component, startRuntime } from "../../runtime/fake-binding.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { makeCertificates } from "../certificates.ts";
import { endAfterTest, read } from "../contract.ts";
import { openInput } from "../opened-input.ts";
import { openOutput } from "../opened-output.ts";

const soon = { timeout: 20_000, interval: 5 };

const certificates = makeCertificates();
afterAll(() => certificates.remove());

const rules = (user: string, publish: string, subscribe: string): string =>
  `{ user: ${user}, password: right, permissions: { publish: [${publish}], subscribe: [${subscribe}] } }`;

describeWith(
  "nats",
  {
    own: true,
    config: [
      "authorization { users: [",
      "{ user: admin, password: right }",
      rules(
        "reader",
        '"$JS.API.CONSUMER.INFO.S.shop","$JS.API.CONSUMER.MSG.NEXT.S.shop","$JS.ACK.S.shop.>"',
        '"_INBOX_r.>"',
      ),
      rules(
        "mute",
        '"$JS.API.CONSUMER.INFO.S.shop","$JS.API.CONSUMER.MSG.NEXT.S.shop"',
        '"_INBOX_r.>"',
      ),
      rules("writer", '"S.>"', '"_INBOX.>"'),
      "] }",
    ],
  },
  (server) => {
    const of = (user: string) => ({
      ...{ servers: server.url, user, password: "right", stream: "S", consumer: "shop" },
      inboxPrefix: user === "writer" ? "_INBOX" : "_INBOX_r",
    });

    test("a user needs the rights that the page lists, and no others", async () => {
      const admin = await connect({
        servers: `${server.host}:${server.port}`,
        user: "admin",
        pass: "right",
      });
      endAfterTest(() => admin.close());
      const api = async (subject: string, body: object) =>
        admin.request(`$JS.API.${subject}`, JSON.stringify(body), { timeout: 5_000 });
      await api("STREAM.CREATE.S", { name: "S", subjects: ["S.>"] });
      const config = { durable_name: "shop", ack_policy: "explicit", deliver_policy: "all" };
      await api("CONSUMER.CREATE.S.shop", { stream_name: "S", config });
      const writer = await openOutput(nats, of("writer"));
      await writer.ping();
      await writer.invoke("create", { subject: "S.a" }, { data: "1" });
      await writer.invoke("publish", { subject: "S.a" }, { data: "2" });
      for (const operation of ["create", "publish", "request"])
        await expect(writer.invoke(operation, { subject: "other" })).rejects.toMatchObject({
          ...{ reason: "permission_denied", effect: "rejected" },
        });
      await writer.ping();
      await writer[Symbol.asyncDispose]();
      const reader = await openInput(nats, of("reader"));
      for (const text of ["1", "2"]) {
        const event = await reader.next();
        expect(String(Buffer.from(event.data ?? []))).toBe(text);
        event.settle({ outcome: "handled" });
      }
      await reader.reader.flush();
      await reader.close();
      const info = (await api("CONSUMER.INFO.S.shop", {})).json<{ num_ack_pending: number }>();
      expect(info.num_ack_pending).toBe(0);
      // Who may not acknowledge would handle the same again and again.
      await admin.request("S.a", "3");
      const { status } = await read({ binding: nats }, { properties: of("mute") });
      await vi.waitFor(() => expect(status().reason).toContain("Permissions Violation"), soon);
    });

    test("a wrong password is unauthenticated; revoked credentials are a state until they are back", async () => {
      const wrong = openOutput(nats, { ...of("writer"), password: "wrong" });
      await expect(wrong).rejects.toMatchObject({ reason: "unauthenticated", effect: "unsent" });
      const { runtime, status, invoke } = startRuntime({ bindings: [nats] });
      const values = { ...of("writer"), direction: "output" };
      await runtime.apply([
        component("nats", {}, { resolve: async () => ({ values, secrets: [] }) }),
      ]);
      await vi.waitFor(() => expect(status().state).toBe("running"), soon);
      const right = await readFile(server.configuration, "utf8");
      const configure = async (text: string): Promise<void> => {
        await writeFile(server.configuration, text);
        process.kill(server.pid ?? -1, "SIGHUP");
      };
      await configure(
        right.replace(/user: writer, password: right/, "user: writer, password: other"),
      );
      await vi.waitFor(() => expect(status().reason).toContain("Authorization Violation"), soon);
      await configure(right);
      await vi.waitFor(() => expect(status().state).toBe("running"), soon);
      await invoke("orders", "publish", "x", { metadata: { subject: "S.a" } });
    });
  },
);

describeWith(
  "nats",
  { own: true, tls: { ...certificates.server, verifyWith: certificates.ca } },
  (server) => {
    const { ca, client } = certificates;
    test("TLS with the metadata's certificates", async () => {
      const values = { servers: server.url, stream: "none", consumer: "none" };
      const all = { caCert: ca, clientCert: client.cert, clientKey: client.key };
      const output = await openOutput(nats, { ...values, ...all });
      await output.ping();
      await output[Symbol.asyncDispose]();
      const byScheme = { ...all, servers: server.url.replace("nats:", "tls:") };
      await (await openOutput(nats, { ...values, ...byScheme }))[Symbol.asyncDispose]();
      for (const wrong of [{}, { caCert: ca }, { clientCert: client.cert, clientKey: client.key }])
        await expect(openOutput(nats, { ...values, ...wrong })).rejects.toMatchObject({
          ...{ reason: "unavailable", effect: "unsent" },
        });
    });
  },
);

const user = nkeys.createUser();

describeWith(
  "nats",
  { own: true, config: [`authorization { users: [{ nkey: ${user.getPublicKey()} }] }`] },
  (server) => {
    test("the seed of an NKey logs in", async () => {
      const values = { servers: server.url, stream: "none", consumer: "none" };
      const seed = Buffer.from(user.getSeed()).toString();
      await using output = await openOutput(nats, { ...values, nkeySeed: seed });
      await output.ping();
      const other = Buffer.from(nkeys.createUser().getSeed()).toString();
      await expect(openOutput(nats, { ...values, nkeySeed: other })).rejects.toMatchObject({
        ...{ reason: "unauthenticated", effect: "unsent" },
      });
    });
  },
);

describeWith("nats", { own: true, config: ["authorization { token: right }"] }, (server) => {
  test.each([
    [{ token: "right" }, true],
    [{ token: "wrong" }, false],
    [{}, false],
    [{ at: "right@" }, true],
    [{ at: "wrong@" }, false],
  ])(
    "the token of %j logs in: %s",
    async ({ at = "", ...more }: Record<string, string>, isRight) => {
      const servers = server.url.replace("://", `://${at}`);
      const opening = openOutput(nats, { servers, stream: "none", consumer: "none", ...more });
      if (isRight) await (await opening)[Symbol.asyncDispose]();
      else await expect(opening).rejects.toMatchObject({ reason: "unauthenticated" });
    },
  );
});

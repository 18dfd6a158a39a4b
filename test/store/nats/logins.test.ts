import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { nkeys } from "@nats-io/transport-node";
import { afterAll, expect, test } from "vitest";
import { readNatsSettings } from "../../../src/store/nats/settings.ts";
import { makeCertificates } from "../../bindings/certificates.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { natsEngine } from "../engines.ts";
import { temporaryFolder } from "../opened-store.ts";
import { attempt, deadLetter } from "../records.ts";

const certificates = makeCertificates();
afterAll(() => certificates.remove());

/** As docs/store-nats.md lists them, for the app `shop`. */
const publish = [
  "cufflink.shop.records.>",
  "cufflink.shop.history.>",
  ...["CUFFLINK_shop", "CUFFLINK-HISTORY_shop"].flatMap((stream) => [
    `$JS.API.STREAM.INFO.${stream}`,
    `$JS.API.STREAM.MSG.GET.${stream}`,
    `$JS.API.DIRECT.GET.${stream}`,
  ]),
  "$JS.API.CONSUMER.CREATE.CUFFLINK_shop.>",
  "$JS.API.CONSUMER.MSG.NEXT.CUFFLINK_shop.>",
];
const create = [
  "$JS.API.STREAM.CREATE.CUFFLINK_shop",
  "$JS.API.STREAM.CREATE.CUFFLINK-HISTORY_shop",
];

const user = (name: string, subjects: readonly string[]): string =>
  `{ user: ${name}, password: right, permissions: { publish: ${JSON.stringify(subjects)}, subscribe: ["_INBOX_shop.>"] } }`;

describeWith(
  "nats",
  {
    own: true,
    config: [
      "authorization { users: [",
      `${user("maker", [...publish, ...create])}, ${user("shop", publish)}`,
      "] }",
    ],
  },
  (server) => {
    const open = (name: string) => {
      const settings = {
        ...{ servers: [server.url], user: name, password: "right", inboxPrefix: "_INBOX_shop" },
        ...{ timeout: 5_000, tlsHandshakeFirst: false },
      };
      return natsEngine(server.url).open("shop", { settings });
    };

    test("a user needs the rights that the page lists, and no others", async () => {
      const early = open("shop");
      await early.look();
      expect(early.trouble).toContain("docs/store-nats.md");
      await open("maker").look();
      const store = open("shop");
      const letter = deadLetter({ event: { data: Buffer.alloc(2 * 1024 * 1024) } });
      await store.deadLetters.put(letter, "f");
      await store.attempts.begin("orders", attempt());
      expect(await store.attempts.load("orders")).toHaveLength(2);
      expect(await store.deadLetters.list({}, { limit: 1 })).toHaveLength(1);
      await store.deadLetters.replace({ ...letter, edited: true });
      expect(await store.deadLetters.remove([letter.id])).toBe(1);
      expect(await store.claims.claim("mail", "k", "f", 60_000)).toEqual({ state: "claimed" });
      await store.claims.release("mail", "k");
      await store.checkpoints.put("feed", "", { fingerprint: "f", position: "1" });
      await store.pauses.put("feed", { by: "", reason: "", since: 1 });
      const lease = await store.leases.acquire("feed", "a", 1000);
      if (lease.state === "granted")
        await store.leases.release(await store.leases.renew(lease.grant, 1000));
      const { promise: seen, resolve } = Promise.withResolvers<string>();
      store.replicas.watch((id) => resolve(id));
      await store.replicas.announce(
        { id: "a", host: "h", version: "1", startedAt: 1, components: [] },
        60_000,
      );
      expect(await seen).toBe("a");
      expect(await store.replicas.list()).toHaveLength(1);
      const record = {
        ...{ component: "feed", eventId: "e", source: "", receivedAt: 1, attempts: [] },
        ...{ renewals: [], traceId: "", endedAt: 1, deadLetter: undefined, reason: "" },
      };
      await store.history.append([{ ...record, end: "handled" }]);
      expect(await store.history.find("e", undefined)).toHaveLength(1);
      const page = { component: undefined, ends: [], endedBefore: 1e15, below: 1e15, limit: 9 };
      expect((await store.history.list(page)).records).toHaveLength(1);
      expect(store.trouble).toBeUndefined();
    });

    test("a wrong password is said, and not shown", async () => {
      const settings = {
        ...{
          servers: [server.url],
          user: "shop",
          password: "quite wrong",
          inboxPrefix: "_INBOX_shop",
        },
        ...{ timeout: 5_000, tlsHandshakeFirst: false },
      };
      const store = natsEngine(server.url).open("shop", { settings });
      await store.look();
      expect(store.trouble).toMatch(/Authorization Violation/);
      expect(store.log.join()).not.toContain("quite wrong");
    });
  },
);

describeWith(
  "nats",
  { own: true, tls: { ...certificates.server, verifyWith: certificates.ca } },
  (server) => {
    test("TLS with an authority and a certificate of one's own, from files", async () => {
      const folder = temporaryFolder();
      const files = { ca: certificates.ca, ...certificates.client };
      for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
      const settings = await readNatsSettings([server.url], undefined, {
        CUFFLINK_STORE_CA_CERT: join(folder, "ca"),
        CUFFLINK_STORE_CLIENT_CERT: join(folder, "cert"),
        CUFFLINK_STORE_CLIENT_KEY: certificates.client.key,
      });
      const store = natsEngine(server.url).open("shop", { settings });
      await store.look();
      expect(store.trouble).toBeUndefined();
      const without = natsEngine(server.url).open("shop");
      await without.look();
      expect(without.trouble).toContain("certificate");
    });
  },
);

const key = nkeys.createUser();

describeWith(
  "nats",
  { own: true, config: [`authorization { users: [{ nkey: ${key.getPublicKey()} }] }`] },
  (server) => {
    test("a file with the seed of an NKey logs in", async () => {
      const file = join(temporaryFolder(), "seed");
      writeFileSync(file, `${Buffer.from(key.getSeed()).toString()}\n`);
      // What the file has counts for more.
      const environment = { CUFFLINK_STORE_USER: "a", CUFFLINK_STORE_PASSWORD: "b" };
      const settings = await readNatsSettings([server.url], file, environment);
      const store = natsEngine(server.url).open("shop", { settings });
      await store.look();
      expect(store.trouble).toBeUndefined();
    });
  },
);

test("files of credentials, and what is wrong with them, of which nothing is quoted", async () => {
  const folder = temporaryFolder();
  const read = (text: string, environment = {}) => {
    const file = join(folder, "credentials");
    writeFileSync(file, text);
    return readNatsSettings(["nats://a:4222", "b"], file, environment);
  };
  const lines = "# a user\nCUFFLINK_STORE_USER = shop\nCUFFLINK_STORE_PASSWORD='s e=cret'\n";
  expect(await read(lines)).toMatchObject({ user: "shop", password: "s e=cret" });
  const jwt = "-----BEGIN NATS USER JWT-----\nx\n------END NATS USER JWT------\n";
  expect(await read(jwt)).toMatchObject({ credentials: jwt });
  expect(await read("", { CUFFLINK_STORE_TOKEN: "t" })).toMatchObject({ token: "t" });
  const wrong = [
    "secret",
    "CUFFLINK_STORE_PASSWORT=secret",
    "CUFFLINK_STORE_USER=a\nCUFFLINK_STORE_TOKEN=secret",
  ];
  for (const text of wrong) {
    const error: unknown = await read(text).catch((error: unknown) => error);
    expect(error).toMatchObject({ reason: "invalid_argument" });
    expect(String(error)).not.toContain("secret");
  }
  await expect(readNatsSettings(["nats://a"], join(folder, "none"), {})).rejects.toThrow("none");
  await expect(readNatsSettings(["http://u:secret@a"], undefined, {})).rejects.toThrow(
    "nats://HOST",
  );
});

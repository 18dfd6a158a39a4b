import { createServer } from "node:net";
import { afterAll, expect, test, vi } from "vitest";
import amqp from "../../../src/bindings/amqp/index.ts";
import { makeCertificates } from "../certificates.ts";
import { endAfterTest } from "../contract.ts";
import { openOutput } from "../opened-output.ts";
import { startStandIn } from "./stand-in.ts";

const certificates = makeCertificates();
afterAll(() => certificates.remove());

const { ca, caPath, server: serverPair, client } = certificates;

async function opened(properties: Record<string, string>) {
  const output = await openOutput(amqp, { address: "orders", ...properties });
  endAfterTest(async () => output[Symbol.asyncDispose]());
  return output;
}

const tls = {
  transport: "tls",
  cert: serverPair.cert,
  key: serverPair.key,
};
const secure = (url: string) => url.replace("amqp:", "amqps:");

test("PLAIN: user and password in any characters, from the URL or beside it", async () => {
  const seen: string[][] = [];
  const server = await startStandIn({ enter: (...login) => seen.push(login) > 0 });
  const [user, password] = ["grün@shop", "pä:ss/w%rd \u{1f511}"];
  const url = server.url.replace(
    "//",
    `//${encodeURIComponent(user)}:${encodeURIComponent(password)}@`,
  );
  await (await opened({ url })).invoke("create", {}, { data: "x" });
  await (await opened({ url: server.url, username: user, password })).ping();
  expect(seen).toEqual([
    [user, password, "127.0.0.1"],
    [user, password, "127.0.0.1"],
  ]);
  expect(server.received).toHaveLength(1);
});

test("the virtual host is what the connection and the login name", async () => {
  const seen: string[] = [];
  const hosts: (string | undefined)[] = [];
  const server = await startStandIn({
    enter: (...login: string[]) => seen.push(login[2] ?? "") > 0,
    connected: (connection) => hosts.push(connection.hostname),
  });
  await opened({ url: server.url, username: "a", password: "b", vhost: "vhost:shop" });
  expect([seen, hosts]).toEqual([["vhost:shop"], ["vhost:shop"]]);
});

test("a server that offers another mechanism is named with it", async () => {
  const server = await startStandIn({ enter: () => true });
  await expect(opened({ url: server.url })).rejects.toMatchObject({
    ...{ reason: "unauthenticated", effect: "unsent" },
    message: expect.stringMatching(/SASL ANONYMOUS.*supports PLAIN/),
  });
});

test.each([
  ["PEM texts", ca, client.cert, client.key],
  ["paths", caPath, client.certPath, client.keyPath],
])("EXTERNAL over TLS, by %s", async (_, caCert, clientCert, clientKey) => {
  const server = await startStandIn({
    external: true,
    listen: { ...tls, ca, requestCert: true, rejectUnauthorized: true, enable_sasl_external: true },
  });
  const output = await opened({ url: secure(server.url), caCert, clientCert, clientKey });
  await output.invoke("create", {}, { data: "x" });
  expect(server.received).toHaveLength(1);
  await expect(opened({ url: secure(server.url), caCert })).rejects.toMatchObject({
    effect: "unsent",
  });
});

test("an authority that is not trusted", async () => {
  const server = await startStandIn({ listen: tls });
  await expect(opened({ url: secure(server.url) })).rejects.toMatchObject({
    ...{ reason: "unavailable", effect: "unsent" },
    message: expect.stringContaining("certificate"),
  });
});

test("a server that is silent: given up when the caller does", async () => {
  const server = createServer(() => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  endAfterTest(() => void server.close());
  const { port } = server.address() as { port: number };
  const signal = AbortSignal.timeout(100);
  const opening = openOutput(amqp, { url: `amqp://127.0.0.1:${port}`, address: "a" }, signal);
  await expect(opening).rejects.toMatchObject({ reason: "deadline_exceeded", effect: "unsent" });
});

test("both sides send heartbeats while nothing else is sent", async () => {
  const server = await startStandIn({ listen: { idle_time_out: 100 } });
  const output = await opened({ url: server.url, idleTimeout: "200ms" });
  const lost = vi.fn();
  void output.lost.then(lost);
  let bytes = 0;
  for (const socket of server.sockets) socket.on("data", (data) => (bytes += data.length));
  // Five of its idle times: each is an empty frame of 8 bytes.
  await vi.waitFor(() => expect(bytes).toBeGreaterThanOrEqual(80), { timeout: 5000 });
  expect(lost).not.toHaveBeenCalled();
  await output.invoke("create", {}, { data: "x" });
});

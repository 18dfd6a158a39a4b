import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import redisBinding from "../../../src/bindings/redis/redis/index.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { exchange } from "../../servers/exchange.ts";
import { releasePort, reservePort } from "../../servers/ports.ts";
import { makeCertificates } from "../certificates.ts";
import { allBytes, openOutput, textOf } from "../opened-output.ts";

const certificates = makeCertificates();
const tlsPort = await reservePort();
afterAll(async () => {
  certificates.remove();
  await releasePort(tlsPort);
});

const tls = [
  ["--tls-port", String(tlsPort)],
  ["--tls-cert-file", certificates.server.certPath],
  ["--tls-key-file", certificates.server.keyPath],
  ["--tls-ca-cert-file", certificates.caPath],
  ["--tls-auth-clients", "yes"],
].flat();

describeWith("redis", { own: true, arguments: tls }, () => {
  const identity = { clientCert: certificates.client.cert, clientKey: certificates.client.key };

  test("TLS with a client certificate and an authority of one's own", async () => {
    await using redis = await openOutput(redisBinding, {
      redisHost: `localhost:${tlsPort}`,
      enableTLS: "true",
      caCert: certificates.ca,
      ...identity,
    });
    await redis.invoke("create", { key: "secret" }, { data: allBytes });
    expect((await redis.invoke("get", { key: "secret" }))?.data).toEqual(Buffer.from(allBytes));
  });

  test("TLS refuses an authority that it does not know, unless told to", async () => {
    const place = { redisHost: `127.0.0.1:${tlsPort}`, enableTLS: "true", ...identity };
    await expect(openOutput(redisBinding, place)).rejects.toThrow(/certificate/);
    await using redis = await openOutput(redisBinding, { ...place, insecureSkipTLSVerify: "true" });
    await redis.ping();
  });
});

const busPort = await reservePort();
const cluster = ["--cluster-enabled", "yes", "--cluster-announce-ip", "127.0.0.1"];
afterAll(() => releasePort(busPort));

describeWith(
  "redis",
  { own: true, arguments: [...cluster, "--cluster-port", String(busPort)] },
  (server) => {
    const place = (): Record<string, string> => ({
      redisHost: `${server.host}:${server.port}`,
      redisType: "cluster",
    });

    test("a cluster that has no slots is not usable, and says so soon", async () => {
      await expect(openOutput(redisBinding, place())).rejects.toMatchObject({
        effect: "unsent",
        message: expect.stringMatching(/error connecting to redis at .*: it is not ready$/),
      });
    });

    test("a cluster works, and one that ends is lost", async () => {
      await exchange(server, "CLUSTER ADDSLOTSRANGE 0 16383\r\n", /OK/);
      await expect
        .poll(() => exchange(server, "CLUSTER INFO\r\n", /cluster_state:\w+/), {
          timeout: 10_000,
        })
        .toContain("cluster_state:ok");
      await using redis = await openOutput(redisBinding, place());
      await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          redis.invoke("create", { key: `key-${index}` }, { data: `value-${index}` }),
        ),
      );
      expect(textOf(await redis.invoke("get", { key: "key-17" }))).toBe("value-17");
      await redis.invoke("increment", { key: "count", ttl: "1m" });
      expect(textOf(await redis.invoke("get", { key: "count", delete: "true" }))).toBe("1");
      await server.stop();
      await redis.lost;
      await expect(redis.invoke("get", { key: "key-17" })).rejects.toMatchObject({
        reason: "unavailable",
      });
    });
  },
);

describeWith("redis", { own: true }, (server) => {
  let sentinel: ChildProcess;
  let folder: string;
  let port: number;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "cufflink-sentinel-"));
    port = await reservePort();
    const file = join(folder, "sentinel.conf");
    await writeFile(
      file,
      [
        `port ${port}`,
        "bind 127.0.0.1",
        `dir ${folder}`,
        "requirepass watchword",
        `sentinel monitor primary ${server.host} ${server.port} 1`,
      ].join("\n"),
    );
    sentinel = spawn("redis-server", [file, "--sentinel"], { stdio: "ignore" });
    const address = { host: "127.0.0.1", port };
    await vi.waitFor(() => exchange(address, "PING\r\n", /NOAUTH/), { timeout: 10_000 });
  });

  afterAll(async () => {
    const ended = once(sentinel, "exit");
    sentinel.kill();
    await ended;
    await releasePort(port);
    await rm(folder, { recursive: true, force: true });
  });

  test("finds the primary through the sentinels", async () => {
    await using redis = await openOutput(redisBinding, {
      redisHost: `127.0.0.1:1, 127.0.0.1:${port}`,
      failover: "true",
      sentinelMasterName: "primary",
      sentinelPassword: "watchword",
    });
    await redis.invoke("create", { key: "found" }, { data: "yes" });
    expect(textOf(await redis.invoke("get", { key: "found" }))).toBe("yes");
    expect(await exchange(server, "GET found\r\n", /yes\r\n$/)).toContain("yes");
    await server.stop();
    await redis.lost;
    await server.start();
  });

  test("says which name the sentinels do not know", async () => {
    const opening = openOutput(redisBinding, {
      redisHost: `127.0.0.1:${port}`,
      failover: "true",
      sentinelMasterName: "nobody",
      sentinelPassword: "watchword",
    });
    await expect(opening).rejects.toMatchObject({
      effect: "unsent",
      message: expect.stringMatching(/error connecting to redis at .*sentinel/i),
    });
  });
});

import { copyFileSync } from "node:fs";
import { Agent, request } from "node:https";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeCertificates, type Certificates } from "../bindings/certificates.ts";
import { folder } from "../resources/folder.ts";
import { ask } from "../server/console/console.ts";
import { until } from "../until.ts";
import { Command } from "./command.ts";
import { cufflinkHere } from "./in-process.ts";

const token = "the-token-of-the-console";
const env = { CUFFLINK_CONSOLE_TOKEN: token };

let made: Certificates;
let other: Certificates;
beforeAll(() => {
  [made, other] = [makeCertificates(), makeCertificates()];
});
afterAll(() => [made, other].forEach((one) => one.remove()));

/** The status of `/session`, by TLS with this authority alone. */
function session(port: number, ca: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}` };
    const agent = new Agent({ keepAlive: false });
    const sent = request({ host: "127.0.0.1", port, path: "/session", ca, headers, agent });
    sent.once("error", reject);
    sent.once("response", (response) => resolve(response.resume().statusCode));
    sent.end();
  });
}

test("cufflink console speaks TLS with a certificate, and takes over its successor", async () => {
  const pair = folder({});
  const [cert, key] = [join(pair, "cert"), join(pair, "key")];
  const put = ({ server }: Certificates): void => {
    copyFileSync(server.certPath, cert);
    copyFileSync(server.keyPath, key);
  };
  put(made);
  const flags = ["--tls-cert", cert, "--tls-key", key, "--address", "127.0.0.1:1"];
  const command = new Command(["console", ...flags], { env });
  const [, port = ""] = await command.printed(/https:\/\/127\.0\.0\.1:(\d+)\//);
  expect(await session(Number(port), made.ca)).toBe(200);
  await expect(ask(Number(port), "/session", { token })).rejects.toThrow();
  put(other);
  await until(async () => (await session(Number(port), other.ca).catch(() => 0)) === 200, {
    what: () => `the new certificate: ${command.stdout}`,
    within: 20_000,
  });
  command.signal("SIGTERM");
  expect(await command.exited).toBe(0);
});

test("without TLS on another address than the loopback's it warns; on the loopback's it does not", async () => {
  const there = new Command(["console", "--console-listen-address", "0.0.0.0"], { env });
  await there.printed(/pass over the network without TLS; say --tls-cert and --tls-key/);
  const here = new Command(["console", "--console-listen-address", "localhost"], { env });
  await here.printed(/the console listens/);
  here.signal("SIGTERM");
  expect(await here.exited).toBe(0);
  expect(here.stdout).not.toContain("without TLS");
});

test.each([
  [["--tls-cert", "a.pem"], "--tls-cert and --tls-key go together; say both or neither"],
  [["--tls-key-passphrase-file", "p"], "--tls-key-passphrase-file is for the key of --tls-key"],
])("wrong flags: %j", async (flags, text) => {
  const { code, stderr } = await cufflinkHere(["console", ...flags], env);
  expect(stderr).toContain(text);
  expect(code).toBe(2);
});

test("files that make no certificate end it, and are named", async () => {
  const flags = ["--tls-cert", "/no/such", "--tls-key", "/no/such"];
  const { code, stderr } = await cufflinkHere(["console", ...flags], env);
  expect(stderr).toContain("--tls-cert /no/such cannot be read");
  expect(code).toBe(69);
});

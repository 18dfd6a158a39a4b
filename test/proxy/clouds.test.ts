import dns from "node:dns";
import tls from "node:tls";
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { trustEnvironmentAuthorities } from "../../src/tls/environment-authorities.ts";
import { makeCertificates } from "../bindings/certificates.ts";
import { listen } from "../bindings/http/loopback-server.ts";
import { startConnectProxy } from "../servers/connect-proxy.ts";
import { cloud, cloudConnections } from "./cloud-connections.ts";

const soon = { timeout: 20_000, interval: 5 };
const names = [`*.${cloud}`, `*.service.${cloud}`];
const certificates = makeCertificates(names);
const known = tls.getCACertificates("default");
const { cert, key } = certificates.server;
const proof = `Basic ${Buffer.from("shop:canary").toString("base64")}`;

/** What came on each connection first, and for which host. Whatever it is, it is refused. */
const heard: { readonly host: string; readonly first: string }[] = [];
const ALPNCallback = ({ protocols }: { protocols: string[] }): string | undefined =>
  protocols.includes("http/1.1") ? "http/1.1" : protocols[0];
const server = tls.createServer({ cert, key, ALPNCallback }, (socket) => {
  socket.on("error", () => socket.destroy());
  socket.once("data", (bytes: Buffer) => {
    heard.push({ host: String(socket.servername), first: bytes.toString("latin1") });
    if (/ HTTP\/1\.1\r\n/.test(bytes.toString("latin1")))
      socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    else socket.destroy();
  });
});
server.on("tlsClientError", () => undefined);
const port = await listen(server);
const proxy = await startConnectProxy();
const looked: string[] = [];
/** All names lead to this machine, as if they were in its own network. */
const lookup = (name: string, ...rest: unknown[]): void => {
  looked.push(name);
  const options = rest.length > 1 ? Object(rest[0]) : {};
  const done = rest.at(-1) as (...result: unknown[]) => void;
  if (options.all === true) done(null, [{ address: "127.0.0.1", family: 4 }]);
  else done(null, "127.0.0.1", 4);
};

beforeEach(() => {
  for (const name of ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"]) {
    vi.stubEnv(name, "");
    vi.stubEnv(name.toLowerCase(), "");
  }
  vi.stubEnv("AWS_CA_BUNDLE", "");
  // Who is denied is asked who they are.
  vi.stubEnv("AWS_ENDPOINT_URL_STS", `https://login.${cloud}:${port}`);
  vi.spyOn(dns, "lookup").mockImplementation(lookup);
  heard.length = looked.length = proxy.asked.length = 0;
  proxy.act = "lead";
});

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

afterAll(async () => {
  tls.setDefaultCACertificates(known);
  server.close();
  await proxy[Symbol.asyncDispose]();
  certificates.remove();
});

function byProxy(): void {
  vi.stubEnv("HTTPS_PROXY", `http://shop:canary@127.0.0.1:${proxy.port}`);
}

/** What the attempt says in the end. */
async function outcome(connect: (port: number) => Promise<unknown>): Promise<string> {
  return connect(port).then(
    () => "",
    (error: unknown) => String(error),
  );
}

describe("an authority that nobody names", () => {
  test.each(cloudConnections)("is not trusted: $what", async ({ connect }) => {
    const said = await outcome(connect);
    expect(said).toMatch(/unable to verify|self-signed|unknown authority|local issuer/);
    expect(heard).toEqual([]);
  });
});

describe("with SSL_CERT_FILE", () => {
  beforeEach(async () => {
    await trustEnvironmentAuthorities({ warn() {} }, { SSL_CERT_FILE: certificates.caPath });
  });

  test.each(cloudConnections)("through the proxy: $what", async ({ host, says, connect }) => {
    byProxy();
    const ended = outcome(connect);
    await vi.waitFor(() => expect(heard.length).toBeGreaterThan(0), soon);
    const [first] = heard;
    expect(first?.first).toMatch(says);
    if (host !== undefined) expect(first?.host).toBe(`${host}.${cloud}`);
    expect(proxy.asked[0]).toEqual({ target: `${first?.host}:${port}`, proof });
    // It asks for no address: the proxy may be the only one that can.
    expect(looked.filter((name) => name.endsWith(cloud))).toEqual([]);
    expect(await ended).not.toContain("canary");
  });

  test.each(cloudConnections)("not to what NO_PROXY names: $what", async ({ says, connect }) => {
    byProxy();
    vi.stubEnv("NO_PROXY", `other.example, .${cloud}`);
    await outcome(connect);
    expect(heard[0]?.first).toMatch(says);
    expect(proxy.asked).toEqual([]);
    expect(looked[0]).toMatch(new RegExp(`\\.${cloud}$`));
  });

  test.each(cloudConnections)("a proxy that refuses is named: $what", async ({ connect }) => {
    byProxy();
    proxy.act = 407;
    const said = await outcome(connect);
    const name = `the proxy http://127.0.0.1:${proxy.port} (HTTPS_PROXY)`;
    expect(said).toContain(`${name} refuses to connect to `);
    expect(said).toContain(
      ": 407 Proxy Authentication Required; correct the user and the password",
    );
    expect(said).toContain(`.${cloud} in NO_PROXY`);
    expect(said).not.toMatch(/canary|shop:|Basic/);
    expect(said).not.toContain(proof.replace("Basic ", ""));
    expect(heard).toEqual([]);
  });

  test.each(cloudConnections)("a proxy that cuts the connection is named: $what", async (one) => {
    byProxy();
    proxy.act = "cut";
    const said = await outcome(one.connect);
    expect(said).toMatch(
      /the proxy http:\/\/127\.0\.0\.1:\d+ \(HTTPS_PROXY\) ended the connection before it reached/,
    );
  });
});

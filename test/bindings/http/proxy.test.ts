import { createServer } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import http from "../../../src/bindings/http/index.ts";
import { proxyFor, readProxyRules } from "../../../src/proxy/rules.ts";
import { makeCertificates } from "../certificates.ts";
import { openOutput, textOf } from "../opened-output.ts";
import { startLoopback } from "./loopback-server.ts";

describe("which proxy", () => {
  const http_proxy = "http://proxy:1";
  const https_proxy = "http://proxy:2";
  test.each([
    ["http://a.example", {}, undefined],
    ["http://a.example", { HTTP_PROXY: http_proxy }, http_proxy],
    ["http://a.example", { http_proxy }, http_proxy],
    ["http://a.example", { HTTP_PROXY: "proxy:1" }, http_proxy],
    ["http://a.example", { HTTPS_PROXY: https_proxy }, undefined],
    ["https://a.example", { http_proxy, https_proxy }, https_proxy],
    ["http://localhost:80", { http_proxy }, undefined],
    ["http://127.8.0.1", { http_proxy }, undefined],
    ["http://[::1]:8080", { http_proxy }, undefined],
    ["http://a.example", { http_proxy, NO_PROXY: "*" }, undefined],
    ["http://a.example", { http_proxy, NO_PROXY: "b.example, a.example" }, undefined],
    ["http://x.a.example", { http_proxy, no_proxy: "a.example" }, undefined],
    ["http://xa.example", { http_proxy, no_proxy: "a.example" }, http_proxy],
    ["http://x.a.example", { http_proxy, no_proxy: ".a.example" }, undefined],
    ["http://a.example:8080", { http_proxy, no_proxy: "a.example:80" }, http_proxy],
    ["http://a.example:8080", { http_proxy, no_proxy: "a.example:8080" }, undefined],
    ["http://10.1.2.3", { http_proxy, no_proxy: "10.0.0.0/8" }, undefined],
    ["http://11.1.2.3", { http_proxy, no_proxy: "10.0.0.0/8" }, http_proxy],
    ["http://10.1.2.3", { http_proxy, no_proxy: "10.1.2.3" }, undefined],
  ])("for %s with %j: %s", (origin, environment, expected) => {
    const rules = readProxyRules(environment);
    expect(proxyFor(origin, rules)).toBe(expected);
  });
});

describe("through a proxy", () => {
  beforeEach(() => {
    for (const name of ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"]) {
      vi.stubEnv(name, "");
      vi.stubEnv(name.toLowerCase(), "");
    }
  });
  afterEach(() => vi.unstubAllEnvs());

  test("HTTP is forwarded, with the proxy's user and password", async () => {
    await using proxy = await startLoopback(({ url }, response) => void response.end(`for ${url}`));
    vi.stubEnv("HTTP_PROXY", proxy.url.replace("//", "//ann:pass@"));
    await using output = await openOutput(http, { url: "http://target.example/base" });
    expect(textOf(await output.invoke("get", { path: "x?y=1" }))).toBe(
      "for http://target.example/base/x?y=1",
    );
    expect(proxy.received[0]?.headers).toMatchObject({
      host: "target.example",
      "proxy-authorization": `Basic ${Buffer.from("ann:pass").toString("base64")}`,
    });
  });

  test("HTTPS goes through a tunnel, which sees no header of the request", async () => {
    const certificates = makeCertificates();
    const { cert, key } = certificates.server;
    await using target = await startLoopback(
      ({ headers }, response) => void response.end(String(headers["x-token"])),
      (listener) => createHttpsServer({ cert, key }, listener),
    );
    const asked: (string | undefined)[] = [];
    await using proxy = await startLoopback(undefined, (listener) =>
      createServer(listener).on("connect", (request, socket: Socket) => {
        asked.push(request.url, String(request.headers["x-token"]));
        const upstream = connect(target.port, "127.0.0.1", () => {
          socket.write("HTTP/1.1 200 Connected\r\n\r\n");
          socket.pipe(upstream).pipe(socket);
        });
        socket.on("error", () => upstream.destroy());
        upstream.on("error", () => socket.destroy());
      }),
    );
    vi.stubEnv("HTTPS_PROXY", proxy.url);
    // The name is the certificate's; were it resolved here, port 1 would refuse.
    vi.stubEnv("NO_PROXY", "other.example");
    await using output = await openOutput(http, {
      url: "https://target.invalid:1",
      MTLSRootCA: certificates.ca,
    });
    await expect(output.invoke("get", { "X-Token": "t" })).rejects.toThrow(/altnames/);
    expect(asked).toEqual(["target.invalid:1", "undefined"]);
    certificates.remove();
  });

  test("a proxy that is down: nothing was sent", async () => {
    vi.stubEnv("HTTP_PROXY", "http://127.0.0.1:1");
    await using output = await openOutput(http, { url: "http://target.example/" });
    await expect(output.invoke("post")).rejects.toMatchObject({ effect: "unsent" });
  });
});

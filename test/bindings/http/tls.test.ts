import { createSecureServer } from "node:http2";
import { createServer } from "node:https";
import type { TLSSocket } from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import http from "../../../src/bindings/http/index.ts";
import { makeCertificates } from "../certificates.ts";
import type { Certificates } from "../certificates.ts";
import { openOutput, textOf } from "../opened-output.ts";
import { startLoopback } from "./loopback-server.ts";
import type { LoopbackServer } from "./loopback-server.ts";

let certificates: Certificates;
beforeAll(() => {
  certificates = makeCertificates();
});
afterAll(() => certificates.remove());

function startTls(requestCert = false): Promise<LoopbackServer> {
  const { cert, key } = certificates.server;
  return startLoopback(
    (_received, response) => {
      const { subject } = (response.socket as TLSSocket).getPeerCertificate();
      response.end(`client ${String(subject?.CN ?? "unknown")}`);
    },
    (listener) => createServer({ cert, key, ca: certificates.ca, requestCert }, listener),
    "https",
  );
}

describe("TLS", () => {
  test("trusts the given authority, as text or as a file", async () => {
    await using server = await startTls();
    for (const MTLSRootCA of [certificates.ca, certificates.caPath]) {
      await using output = await openOutput(http, { url: server.url, MTLSRootCA });
      expect(textOf(await output.invoke("get"))).toBe("client unknown");
    }
  });

  test("does not trust an unknown authority, and sends nothing", async () => {
    await using server = await startTls();
    await using output = await openOutput(http, { url: server.url });
    await expect(output.invoke("post")).rejects.toMatchObject({
      reason: "unavailable",
      effect: "unsent",
      systemCode: expect.stringMatching(/CERT|SIGNED|VERIFY/),
    });
    expect(server.received).toEqual([]);
  });

  test("shows the client's certificate, given as text or as files", async () => {
    await using server = await startTls(true);
    const { cert, key, certPath, keyPath } = certificates.client;
    for (const [MTLSClientCert, MTLSClientKey] of [
      [cert, key],
      [certPath, keyPath],
    ] as const) {
      await using output = await openOutput(http, {
        url: server.url,
        MTLSRootCA: certificates.ca,
        MTLSClientCert,
        MTLSClientKey,
        MTLSRenegotiation: "RenegotiateNever",
      });
      expect(textOf(await output.invoke("get"))).toBe("client client");
    }
  });

  test("a certificate without its key is not used", async () => {
    await using server = await startTls(false);
    await using output = await openOutput(http, {
      url: server.url,
      MTLSRootCA: certificates.ca,
      MTLSClientCert: certificates.client.cert,
    });
    expect(textOf(await output.invoke("get"))).toBe("client unknown");
  });

  test("HTTP/2, when the server speaks it", async () => {
    const { cert, key } = certificates.server;
    await using server = await startLoopback(
      ({ method, url, headers, body }, response) => {
        response.setHeader("x-over", "http2");
        if (url === "/gone") response.statusCode = 410;
        response.end(`${method} ${url} ${String(headers["x-one"])} ${body.toString()}`);
      },
      (listener) =>
        createSecureServer({ cert, key }, (request, response) => {
          // The two APIs agree in all that the listener uses.
          Reflect.apply(listener, undefined, [request, response]);
        }),
      "https",
    );
    await using output = await openOutput(http, { url: server.url, MTLSRootCA: certificates.ca });
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        output.invoke("post", { path: `${index}`, "X-One": "1" }, { data: `data ${index}` }),
      ),
    );
    expect(answers.map(textOf)).toEqual(
      Array.from({ length: 50 }, (_, index) => `POST /${index} 1 data ${index}`),
    );
    expect(answers[0]?.metadata).toMatchObject({
      statusCode: "200",
      status: "200 OK",
      "X-Over": "http2",
    });
    await expect(output.invoke("get", { path: "gone" })).rejects.toMatchObject({
      metadata: { statusCode: "410", status: "410 Gone" },
    });
  });
});

describe("what is refused when the component opens", () => {
  test.each([
    [{ MTLSRootCA: "/no/such/file" }, 'provided "MTLSRootCA" value is neither a valid file path'],
    [
      { MTLSClientCert: "x", MTLSClientKey: "s3cret" },
      'provided "MTLSClientCert" value is neither',
    ],
    [{ MTLSRenegotiation: "Sometimes" }, "must be one of RenegotiateNever"],
  ])("%j", async (properties, message) => {
    const error: unknown = await openOutput(http, {
      url: "https://localhost",
      ...properties,
    }).catch((reason: unknown) => reason);
    expect(String(error)).toContain(message);
    expect(String(error)).not.toContain("s3cret");
  });

  test("a key that belongs to another certificate", async () => {
    const opening = openOutput(http, {
      url: "https://localhost",
      MTLSClientCert: certificates.client.cert,
      MTLSClientKey: certificates.server.key,
    });
    await expect(opening).rejects.toThrow("failed to load client certificate");
  });
});

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import {
  connect as connectHttp2,
  type ClientHttp2Session,
  type IncomingHttpHeaders,
} from "node:http2";
import { request as requestHttps } from "node:https";
import { connect as connectTcp, createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { once } from "node:events";
import { connect as connectTls } from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { send, sendRaw, serve } from "./serve.ts";

const binding = "/v1.0/bindings/probe";

type H2Answer = { headers: IncomingHttpHeaders; body: string };

function sendHttp2(
  session: ClientHttp2Session,
  headers: Record<string, string>,
  body?: string,
): Promise<H2Answer> {
  return new Promise((resolve, reject) => {
    const stream = session.request(headers, { endStream: body === undefined });
    let answer: IncomingHttpHeaders = {};
    const chunks: Buffer[] = [];
    stream.on("response", (received) => (answer = received));
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("error", reject);
    stream.on("end", () => resolve({ headers: answer, body: Buffer.concat(chunks).toString() }));
    if (body !== undefined) stream.end(body);
  });
}

describe("one port, told apart by the first bytes", () => {
  test("HTTP/1.1 and HTTP/2 by prior knowledge", async () => {
    await using served = await serve();
    const session = connectHttp2(`http://127.0.0.1:${served.port}`);
    try {
      const [first, second] = await Promise.all([
        send(served.port, binding, { body: '{"operation":"empty"}' }),
        sendHttp2(
          session,
          { ":method": "POST", ":path": binding },
          '{"operation":"echo","data":[1.0]}',
        ),
      ]);
      expect(first.status).toBe(200);
      expect(second.headers[":status"]).toBe(200);
      expect(second.headers["content-type"]).toBe("application/json");
      expect(second.body).toBe("[1.0]");
    } finally {
      session.destroy();
    }
  });

  test("Dapr's paths answer the same over HTTP/2", async () => {
    await using served = await serve();
    const session = connectHttp2(`http://127.0.0.1:${served.port}`);
    try {
      const healthz = await sendHttp2(session, { ":path": "/v1.0/healthz" });
      expect(healthz.headers[":status"]).toBe(204);
      const unknown = await sendHttp2(session, { ":path": "/nothing" });
      expect(unknown.headers[":status"]).toBe(404);
      expect(unknown.body).toContain("ERR_DIRECT_INVOKE");
      const metadata = { "echo-a": "line\nbreak" };
      const echo = JSON.stringify({ operation: "echo", metadata });
      const answer = await sendHttp2(session, { ":method": "POST", ":path": binding }, echo);
      expect(answer.headers["metadata.a"]).toBe("line break");
    } finally {
      session.destroy();
    }
  });

  test("bytes that dribble in one by one", async () => {
    await using served = await serve();
    const socket = connectTcp(served.port, "127.0.0.1");
    socket.setNoDelay(true);
    for (const byte of "GET /v1.0/healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") {
      await new Promise((resolve) => socket.write(byte, resolve));
      await new Promise(setImmediate);
    }
    const chunks: Buffer[] = [];
    for await (const chunk of socket) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).toString()).toMatch(/^HTTP\/1\.1 204 /);
  });

  test("a method that begins like HTTP/2's preface is HTTP/1.1", async () => {
    await using served = await serve();
    const answer = await sendRaw(
      served.port,
      "PROPFIND / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    );
    expect(answer).toMatch(/^HTTP\/1\.1 404 /);
  });

  test("pipelined requests are answered in order", async () => {
    await using served = await serve();
    const one = (path: string, more = "") => `GET ${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`;
    const answer = await sendRaw(
      served.port,
      one("/v1.0/healthz") + one("/nothing", "Connection: close\r\n"),
    );
    expect(answer.indexOf("204 No Content")).toBeLessThan(answer.indexOf("404 Not Found"));
    expect(answer).toContain("404 Not Found");
  });

  test("connections that come and go without a word do no harm", async () => {
    await using served = await serve();
    for (let number = 0; number < 20; number++) {
      const socket = connectTcp(served.port, "127.0.0.1");
      await once(socket, "connect");
      if (number % 2 === 0) socket.resetAndDestroy();
      else socket.end("PR");
      await once(socket, "close");
    }
    expect((await send(served.port, "/v1.0/healthz")).status).toBe(204);
  });
});

describe("addresses", () => {
  test("a port in use is an error that names it and says what to do", async () => {
    const blocker = createTcpServer();
    await new Promise<void>((resolve) => blocker.listen(0, "127.0.0.1", resolve));
    const { port } = blocker.address() as { port: number };
    try {
      await expect(
        serve({
          addresses: [
            { host: "127.0.0.1", port: 0 },
            { host: "127.0.0.1", port },
          ],
        }),
      ).rejects.toThrow(
        new RegExp(`cannot listen on 127\\.0\\.0\\.1:${port}: .*another process listens there`),
      );
    } finally {
      blocker.close();
    }
  });

  test("several ports each speak everything", async () => {
    await using served = await serve({
      addresses: [
        { host: "127.0.0.1", port: 0 },
        { host: "127.0.0.1", port: 0 },
      ],
    });
    const { ports } = served.server;
    expect(new Set(ports).size).toBe(2);
    for (const port of ports) expect((await send(port, "/v1.0/healthz")).status).toBe(204);
  });

  test("a unix domain socket, also where a dead process left one", async () => {
    const folder = mkdtempSync(join(tmpdir(), "cufflink-socket-"));
    const socket = join(folder, "dapr-shop-http.socket");
    try {
      const left =
        'require("node:net").createServer().listen(process.argv[1], () => process.kill(process.pid, "SIGKILL"))';
      expect(() => execFileSync(process.execPath, ["-e", left, socket])).toThrow();
      await using served = await serve({ addresses: [{ socket }] });
      expect((await send(0, "/v1.0/healthz", { socketPath: socket })).status).toBe(204);
      await expect(serve({ addresses: [{ socket }] })).rejects.toThrow(
        `cannot listen on ${socket}`,
      );
      expect((await send(0, "/v1.0/healthz", { socketPath: socket })).status).toBe(204);
      expect(served.server.ports).toHaveLength(1);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

test("the public port has health and metadata, without a token, and nothing else", async () => {
  await using served = await serve({
    token: "secret",
    publicAddresses: [{ host: "127.0.0.1", port: 0 }],
  });
  const port = served.server.ports[1] ?? 0;
  expect((await send(port, "/v1.0/healthz")).status).toBe(204);
  expect((await send(port, "/v1.0/metadata")).status).toBe(200);
  const unknown = await send(port, binding, { body: '{"operation":"create"}' });
  expect(unknown.status).toBe(404);
  expect(unknown.text).toBe("404 page not found\n");
  expect(unknown.headers["x-content-type-options"]).toBe("nosniff");
  const wrong = await send(port, "/v1.0/healthz", { method: "POST" });
  expect(wrong.status).toBe(405);
  expect(wrong.headers["allow"]).toBe("GET");
  expect(wrong.text).toBe("");
});

describe("TLS", () => {
  const folder = mkdtempSync(join(tmpdir(), "cufflink-tls-"));
  let tls: { cert: string; key: string };
  beforeAll(() => {
    const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
    execFileSync(
      "openssl",
      // prettier-ignore
      ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", cert],
      { stdio: "ignore" },
    );
    tls = { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8") };
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test("ALPN chooses HTTP/2 or HTTP/1.1", async () => {
    await using served = await serve({ tls });
    const session = connectHttp2(`https://localhost:${served.port}`, { ca: tls.cert });
    const answer = await sendHttp2(
      session,
      { ":method": "POST", ":path": binding },
      '{"operation":"echo","data":1}',
    );
    session.destroy();
    expect(answer.body).toBe("1");
    const status = await new Promise<number | undefined>((resolve, reject) => {
      requestHttps(
        { port: served.port, host: "localhost", path: "/v1.0/healthz", ca: tls.cert, agent: false },
        (response) => {
          response.resume();
          resolve(response.statusCode);
        },
      )
        .on("error", reject)
        .end();
    });
    expect(status).toBe(204);
  });

  test("a client without ALPN gets HTTP/1.1", async () => {
    await using served = await serve({ tls });
    const socket = connectTls({ port: served.port, host: "localhost", ca: tls.cert });
    socket.write("GET /v1.0/healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    const chunks: Buffer[] = [];
    for await (const chunk of socket) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).toString()).toMatch(/^HTTP\/1\.1 204 /);
  });

  test("cleartext on a TLS port ends, and the port lives", async () => {
    await using served = await serve({ tls });
    await sendRaw(served.port, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").catch(() => "");
    const session = connectHttp2(`https://localhost:${served.port}`, { ca: tls.cert });
    expect((await sendHttp2(session, { ":path": "/v1.0/healthz" })).headers[":status"]).toBe(204);
    session.destroy();
  });
});

describe("close", () => {
  test("calls in flight end, new connections are refused", async () => {
    await using served = await serve();
    const session = connectHttp2(`http://127.0.0.1:${served.port}`);
    const goaway = once(session, "goaway");
    const overHttp2 = sendHttp2(
      session,
      { ":method": "POST", ":path": binding },
      '{"operation":"pause"}',
    );
    await served.begun;
    const overHttp1 = send(served.port, binding, { body: '{"operation":"pause"}' });
    await expect.poll(() => served.calls.length).toBe(2);
    const closed = served.server.close(10_000);
    await goaway;
    await expect(send(served.port, "/v1.0/healthz")).rejects.toThrow("ECONNREFUSED");
    served.release();
    expect((await overHttp2).body).toBe("released");
    expect((await overHttp1).text).toBe("released");
    await closed;
  });

  test("idle keep-alive connections do not hold it up", async () => {
    await using served = await serve();
    const socket = connectTcp(served.port, "127.0.0.1");
    socket.write("GET /v1.0/healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    await once(socket, "data");
    const silent = connectTcp(served.port, "127.0.0.1");
    await once(silent, "connect");
    const session = connectHttp2(`http://127.0.0.1:${served.port}`);
    await sendHttp2(session, { ":path": "/v1.0/healthz" });
    const began = performance.now();
    await served.server.close(20_000);
    expect(performance.now() - began).toBeLessThan(5000);
    socket.destroy();
    silent.destroy();
    session.destroy();
  });

  test("what does not end is cut at the deadline", async () => {
    await using served = await serve();
    const stuck = send(served.port, binding, { body: '{"operation":"wait"}' });
    await served.begun;
    await Promise.all([served.server.close(50), expect(stuck).rejects.toThrow()]);
    await served.abandoned;
  });
});

import { describe, expect, test } from "vitest";
import { RecordHead } from "../../src/grpc/request-head.ts";
import { callerCheck, isGrpcOfProgram, type Incoming } from "../../src/server/callers.ts";

type Headers = Record<string, string>;

const check = callerCheck({ allowedOrigins: [], allowedHosts: [] });

/** A request of a program of this machine, but for what is said. */
function request(headers: Headers, rest: Partial<Incoming> = {}): Incoming {
  const head = new RecordHead({ host: "localhost:3500", ...headers });
  return Object.assign(head, {
    ...{ method: "POST", target: "/v1.0/shutdown", isHttp2: false, localAddress: "127.0.0.1" },
    ...rest,
  });
}

const isOfProgram = (headers: Headers): boolean =>
  isGrpcOfProgram({ fields: Object.entries(headers).map(([name, value]) => ({ name, value })) });

const outcome = (headers: Headers, rest?: Partial<Incoming>, decide = check): string =>
  decide(request(headers, rest))?.kind ?? "passes";

describe("the host on a loopback address", () => {
  test.each([
    ...["localhost", "localhost:3500", "LOCALHOST:3500", "localhost.", "shop.localhost:3500"],
    ...["127.0.0.1", "127.0.0.1:3500", "127.8.9.10", "[::1]", "[::1]:3500", "::1"],
    ...["[0:0:0:0:0:0:0:1]:3500", "[::ffff:127.0.0.1]:3500", "0.0.0.0:3500", "[::]:3500", ""],
  ])("%s passes", (host) => {
    for (const localAddress of ["127.0.0.1", "127.0.1.1", "::1", "::ffff:127.0.0.1"])
      expect(outcome({ host }, { localAddress })).toBe("passes");
  });

  test.each([
    ...["evil.example", "evil.example:3500", "localhost.evil.example", "127.0.0.1.evil.example"],
    ...["evil@localhost", "localhost@evil.example", "localhost/evil", "notlocalhost", "[::2]:3500"],
    ...["10.0.0.1:3500", "192.168.1.2", "localhost:99999", "local host", "[::1", "localhost?", "#"],
  ])("%s is refused there, and passes elsewhere", (host) => {
    for (const localAddress of ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
      expect(outcome({ host }, { localAddress })).toBe("refused");
    // What is not on the loopback has a name of its own; a Unix socket has none.
    for (const localAddress of ["10.0.0.1", "2001:db8::1", undefined])
      expect(outcome({ host }, { localAddress })).toBe("passes");
  });

  test("each that the request names counts: :authority, host, and a target that is a whole URL", () => {
    const good = "localhost:3500";
    const http2 = { isHttp2: true };
    expect(outcome({ ":authority": good }, http2)).toBe("passes");
    expect(outcome({ ":authority": "evil.example" }, http2)).toBe("refused");
    expect(outcome({ ":authority": good, host: "evil.example" }, http2)).toBe("refused");
    expect(outcome({}, { target: "http://evil.example/v1.0/shutdown" })).toBe("refused");
    expect(outcome({}, { target: "http://localhost:3500/v1.0/shutdown" })).toBe("passes");
    expect(outcome({ host: "evil.example" }, { target: "http://localhost/x" })).toBe("refused");
  });

  test("gRPC over HTTP/2 may be for any name; gRPC-Web, Connect and HTTP/1.1 may not", () => {
    const host = "orders.internal:50001";
    const grpc = { host, "content-type": "application/grpc+proto" };
    expect(outcome(grpc, { isHttp2: true })).toBe("passes");
    expect(outcome(grpc, { isHttp2: false })).toBe("refused");
    for (const type of ["application/grpc-web", "application/grpc-web+proto", "application/proto"])
      expect(outcome({ host, "content-type": type }, { isHttp2: true })).toBe("refused");
  });

  test("--allowed-hosts: by name, whatever the port; * for any", () => {
    const some = callerCheck({
      allowedOrigins: [],
      allowedHosts: ["host.docker.internal", "Sidecar:3500", "192.168.1.2"],
    });
    for (const host of ["host.docker.internal:3500", "sidecar", "SIDECAR:1", "192.168.1.2:3500"])
      expect(outcome({ host }, {}, some)).toBe("passes");
    expect(outcome({ host: "docker.internal" }, {}, some)).toBe("refused");
    const any = callerCheck({ allowedOrigins: [], allowedHosts: ["*"] });
    expect(outcome({ host: "evil.example" }, {}, any)).toBe("passes");
  });

  test("the message names the host and the flag", () => {
    expect(check(request({ host: "evil.example:3500" }))).toEqual({
      kind: "refused",
      message:
        "a request for the host evil.example:3500 is refused on a loopback address, as it may be a web page's; if that is a name of this machine, say --allowed-hosts evil.example",
    });
  });
});

describe("a page of another origin", () => {
  test.each<Headers>([
    { origin: "http://evil.example" },
    { origin: "http://localhost:8080" },
    { origin: "https://localhost" },
    { origin: "null" },
    { origin: "" },
    { origin: "file://" },
    { origin: "chrome-extension://abcdef" },
    { origin: "http://localhost:3500.evil.example" },
    { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "same-site" },
    { "sec-fetch-site": "cross-site", origin: "http://localhost:3500" },
    { "sec-fetch-site": "of a later browser" },
    { origin: "http://evil.example", "content-type": "text/plain" },
    { origin: "http://evil.example", "content-type": "application/grpc" },
  ])("%j is refused, whatever the method and the port", (headers) => {
    for (const method of ["POST", "GET", "OPTIONS", "PUT"]) {
      for (const isHttp2 of [false, true]) {
        for (const localAddress of ["127.0.0.1", "10.0.0.1", undefined])
          expect(outcome(headers, { method, isHttp2, localAddress })).toBe("refused");
      }
    }
    expect(isOfProgram({ ...headers, "content-type": "application/grpc" })).toBe(false);
  });

  test.each<Headers>([
    {},
    { "sec-fetch-site": "none" },
    { "sec-fetch-site": "same-origin" },
    { "sec-fetch-site": "same-origin", origin: "http://localhost:3500" },
    // Served by a proxy in front, which has another name.
    { "sec-fetch-site": "same-origin", origin: "https://shop.example" },
    { origin: "http://localhost:3500" },
    { origin: "HTTP://LOCALHOST:3500" },
  ])("%j passes", (headers) => {
    expect(outcome(headers)).toBe("passes");
  });

  test("its own origin without a port is the protocol's own", () => {
    const rest = { localAddress: "10.0.0.1" };
    expect(outcome({ host: "shop.example", origin: "https://shop.example" }, rest)).toBe("passes");
    expect(outcome({ host: "shop.example:443", origin: "https://shop.example" }, rest)).toBe(
      "passes",
    );
    expect(outcome({ host: "shop.example:80", origin: "https://shop.example" }, rest)).toBe(
      "refused",
    );
  });

  test("gRPC of a program is known by having none of a browser's marks", () => {
    expect(isOfProgram({ "content-type": "application/grpc" })).toBe(true);
    expect(isOfProgram({ "content-type": "application/grpc-web+proto" })).toBe(false);
    expect(isOfProgram({})).toBe(false);
  });

  test("a stranger's text is shortened and plain in the message", () => {
    const verdict = check(
      request({ origin: `http://evil.example/\u001b[31m${"x".repeat(10_000)}` }),
    );
    const message = verdict?.kind === "refused" ? verdict.message : "";
    expect(message.length).toBeLessThan(400);
    expect(message).not.toContain("\u001b");
    expect(check(request({ origin: "http://evil.example" }))).toMatchObject({
      message:
        "a web page of http://evil.example may not call; if it is meant to, say --allow-origin http://evil.example",
    });
  });
});

describe("--allow-origin", () => {
  const some = callerCheck({ allowedOrigins: ["https://shop.example", "null"], allowedHosts: [] });

  test("lets such pages call, and read the answer", () => {
    for (const origin of ["https://shop.example", "null"]) {
      const site = { origin, "sec-fetch-site": "cross-site" };
      expect(some(request(site))).toEqual({
        kind: "allowed",
        headers: {
          "access-control-allow-origin": origin,
          "access-control-expose-headers": expect.stringContaining("grpc-status"),
          vary: "Origin",
        },
      });
    }
    expect(outcome({ origin: "https://shop.example:8443" }, {}, some)).toBe("refused");
    expect(outcome({ "sec-fetch-site": "cross-site" }, {}, some)).toBe("refused");
    // It says nothing about hosts.
    expect(outcome({ origin: "https://shop.example", host: "evil.example" }, {}, some)).toBe(
      "refused",
    );
  });

  test("answers their preflights", () => {
    const asked = {
      origin: "https://shop.example",
      "access-control-request-method": "POST",
      "access-control-request-headers": "content-type,x-grpc-web",
      "access-control-request-private-network": "true",
    };
    expect(some(request(asked, { method: "OPTIONS" }))).toEqual({
      kind: "preflight",
      headers: {
        "access-control-allow-origin": "https://shop.example",
        "access-control-allow-methods": "GET, POST, PUT, OPTIONS",
        "access-control-allow-headers": "content-type,x-grpc-web",
        "access-control-allow-private-network": "true",
        "access-control-max-age": "7200",
        vary: "Origin",
      },
    });
    // An app's own OPTIONS is none.
    expect(outcome({ origin: "https://shop.example" }, { method: "OPTIONS" }, some)).toBe(
      "allowed",
    );
  });

  test("* lets all pages call", () => {
    const all = callerCheck({ allowedOrigins: ["*"], allowedHosts: [] });
    expect(all(request({ origin: "http://any.example" }))).toMatchObject({
      headers: { "access-control-allow-origin": "*" },
    });
    expect(outcome({ "sec-fetch-site": "cross-site" }, {}, all)).toBe("allowed");
  });
});

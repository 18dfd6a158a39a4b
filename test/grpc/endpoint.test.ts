import { resolve } from "node:path";
import { expect, test } from "vitest";
import { defaultEndpoint, formatAddress, parseEndpoint } from "../../src/grpc/endpoint.ts";

test.each([
  ["127.0.0.1:3500", { host: "127.0.0.1", port: 3500 }],
  ["[::1]:3500", { host: "::1", port: 3500 }],
  ["runtime", { host: "runtime", port: 50_001 }],
  ["http://runtime:80/", { host: "runtime", port: 80 }],
  ["dns:runtime:80", { host: "runtime", port: 80 }],
  ["dns:///runtime:80", { host: "runtime", port: 80 }],
  ["https://runtime", { host: "runtime", port: 443, secure: true }],
  ["grpcs://runtime:1/a/b/", { host: "runtime", port: 1, secure: true, prefix: "/a/b" }],
  ["runtime:1?tls=true", { host: "runtime", port: 1, secure: true }],
  ["runtime:1?tls=false", { host: "runtime", port: 1 }],
  ["unix:/run/a b.socket", { socket: "/run/a b.socket" }],
  ["unix:///run/a.socket", { socket: "/run/a.socket" }],
  ["unix:run/a.socket", { socket: resolve("run/a.socket") }],
  ["unix:run/a.socket?tls=true", { socket: resolve("run/a.socket"), secure: true }],
])("%s is an endpoint", (text, wanted) => {
  expect(parseEndpoint(text)).toEqual({ secure: false, prefix: "", ...wanted });
});

test.each([
  "",
  "unix:",
  "unix://run/a",
  "ftp://a",
  "a:b",
  "a:99999",
  "a:0",
  "a@b:1",
  "a:1?x=1",
  "a b:1",
])("%j is none", (text) => expect(parseEndpoint(text)).toBeUndefined());

test("an endpoint has the form in which it is read", () => {
  for (const text of ["127.0.0.1:3500", "[::1]:3500", "unix:/run/a.socket"]) {
    const parsed = parseEndpoint(text);
    expect(parsed && formatAddress(parsed)).toBe(text);
  }
});

test("the environment says where the runtime is, Dapr's endpoint before its port", () => {
  expect(defaultEndpoint({})).toBe("127.0.0.1:50001");
  expect(defaultEndpoint({ DAPR_GRPC_PORT: "7" })).toBe("127.0.0.1:7");
  expect(defaultEndpoint({ DAPR_GRPC_PORT: "7", DAPR_GRPC_ENDPOINT: "unix:/a" })).toBe("unix:/a");
});

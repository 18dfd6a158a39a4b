import type { DescMethod } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel as Idempotency } from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "vitest";
import { methodPath } from "../../../src/grpc/service.ts";
import { ask as askPort, consoleOf, tokens } from "./console.ts";

const list = "/rpc/0/cufflink.v1.Operations/ListComponents";
const codeOf = ({ text }: { text: string }): unknown =>
  (JSON.parse(text) as { code?: string }).code;

/** However a protocol says it: PERMISSION_DENIED. */
const refused = expect.stringMatching(/permission_denied|^200 7 |grpc-status: 7/) as unknown;

describe("the token", () => {
  test("tells its user what it is for, and which daemons there are", async () => {
    const { ask } = await consoleOf();
    const session = async (token: string): Promise<unknown> =>
      JSON.parse((await ask("/session", { token })).text);
    const rest = { version: "1.2.3", daemons: [{ name: "shop" }] };
    expect(await session(tokens.full)).toEqual({ kind: "full", ...rest });
    expect(await session(tokens.readOnly)).toEqual({ kind: "read-only", ...rest });
  });

  test("is asked for, in its header alone, before anything of a request is read", async () => {
    const { ask, operator } = await consoleOf();
    const pause = "/rpc/0/cufflink.v1.Operations/PauseComponent";
    for (const headers of [
      {},
      { authorization: tokens.full },
      { authorization: `Basic ${tokens.full}` },
      { authorization: "Bearer " },
      { cookie: `token=${tokens.full}` },
      { "dapr-api-token": tokens.full },
      { authorization: `Bearer ${tokens.full}x` },
      { authorization: `Bearer ${tokens.full.slice(1)}` },
    ]) {
      expect((await ask("/session", { headers })).status).toBe(401);
      const called = await ask(pause, { headers, body: '{"name": "probe"}' });
      expect([called.status, codeOf(called)]).toEqual([401, "unauthenticated"]);
      expect(called.text).not.toContain(tokens.full);
    }
    expect((await ask(`/session?token=${tokens.full}`)).status).toBe(401);
    expect(operator.asked).toEqual([]);
  });

  test("is not guessed quickly; a right one passes all the same", async () => {
    const { ask } = await consoleOf();
    const statuses: number[] = [];
    for (let guess = 0; guess < 40; guess++)
      statuses.push((await ask("/session", { token: `wrong-${guess}` })).status);
    expect(statuses.slice(0, 10).every((status) => status === 401)).toBe(true);
    expect(statuses.filter((status) => status === 429).length).toBeGreaterThan(20);
    const called = await ask(list, { token: "wrong", body: "{}" });
    expect(codeOf(called)).toBe("resource_exhausted");
    expect((await ask("/session", { token: tokens.full })).status).toBe(200);
  });

  test("that may only look calls what its declaration says changes nothing, and no other method of any service", async () => {
    const { ask, served, operator } = await consoleOf();
    const methods: DescMethod[] = (await served.server.services()).flatMap(
      ({ desc }) => desc.methods,
    );
    const changing = methods.filter(
      ({ idempotency }) => idempotency !== Idempotency.NO_SIDE_EFFECTS,
    );
    expect(changing.map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        ...["PauseComponent", "EmitEvent", "InvokeBinding", "RedriveDeadLetters", "Shutdown"],
        ...["DrainInputs", "DropDeadLetters", "Reload", "RestartComponent", "SetMetadata"],
      ]),
    );
    for (const method of changing) {
      const path = `/rpc/0${methodPath(method)}`;
      const call = async (type: string, body: string | Uint8Array): Promise<string> => {
        const headers = { "content-type": type };
        const answer = await ask(path, { token: tokens.readOnly, headers, body });
        const { status, text } = answer;
        return `${status} ${String(answer.headers["grpc-status"])} ${text}`;
      };
      const json = Buffer.from("\0\0\0\0\u0002{}");
      if (method.methodKind === "unary") {
        expect([path, await call("application/json", "{}")]).toEqual([path, refused]);
        expect([path, await call("application/proto", "")]).toEqual([path, refused]);
        expect([path, await call("application/grpc-web+json", json)]).toEqual([path, refused]);
      } else if (method.methodKind === "server_streaming") {
        expect([path, await call("application/connect+json", json)]).toEqual([path, refused]);
      } else {
        const none = expect.stringMatching(/^(404|505)|unimplemented/) as unknown;
        expect([path, await call("application/connect+json", json)]).toEqual([path, none]);
      }
    }
    const said = await ask("/rpc/0/cufflink.v1.Operations/EmitEvent", {
      ...{ token: tokens.readOnly, body: '{"component": "probe"}' },
    });
    expect([said.status, codeOf(said)]).toEqual([403, "permission_denied"]);
    expect(said.text).toContain(
      "cufflink.v1.Operations/EmitEvent changes something, which the read-only token of the console does not allow",
    );
    expect([operator.asked, served.calls, served.shutdowns()]).toEqual([[], [], 0]);
    const listed = await ask(list, { token: tokens.readOnly, body: "{}" });
    expect(JSON.parse(listed.text)).toMatchObject({ components: [{ name: "probe" }] });
  });

  test("that may do everything does", async () => {
    const { ask, served, operator } = await consoleOf();
    await ask("/rpc/0/cufflink.v1.Operations/PauseComponent", {
      ...{ token: tokens.full, body: '{"name": "probe", "by": "ann"}' },
    });
    await ask("/rpc/0/dapr.proto.runtime.v1.Dapr/InvokeBinding", {
      ...{ token: tokens.full, body: '{"name": "probe", "operation": "create"}' },
    });
    expect(operator.asked).toEqual(["pause probe by ann: "]);
    expect(served.calls).toMatchObject([{ operation: "create" }]);
  });

  test("that only looks is nobody's where there is none", async () => {
    const { ask } = await consoleOf({ tokens: { full: tokens.full } });
    expect((await ask("/session", { token: tokens.readOnly })).status).toBe(401);
    expect((await ask("/session", { token: "undefined" })).status).toBe(401);
  });
});

describe("a web page of another site", () => {
  test("is refused, whatever it asks for and with the token too", async () => {
    const refusals: string[] = [];
    const { ask } = await consoleOf({ onRefused: (message) => refusals.push(message) });
    for (const headers of [
      { origin: "https://evil.example" },
      { origin: "null" },
      { origin: "http://127.0.0.1:1" },
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site" },
    ])
      for (const path of ["/", "/session", list]) {
        const body = path === list ? { body: "{}" } : {};
        const answer = await ask(path, { token: tokens.full, headers, ...body });
        expect([path, headers, answer.status]).toEqual([path, headers, 403]);
      }
    const preflight = await ask(list, {
      method: "OPTIONS",
      headers: { origin: "https://evil.example", "access-control-request-method": "POST" },
    });
    expect([preflight.status, preflight.headers["access-control-allow-origin"]]).toEqual([
      403,
      undefined,
    ]);
    expect(refusals.length).toBeGreaterThan(0);
  });

  test("that made its name lead here is refused by that name", async () => {
    const { ask, console } = await consoleOf();
    for (const host of ["evil.example", `evil.example:${console.port}`, "127.0.0.1.evil.example"]) {
      const headers = { host, origin: `http://${host}`, "sec-fetch-site": "same-origin" };
      expect((await ask("/session", { token: tokens.full, headers })).status).toBe(403);
    }
    for (const host of [`localhost:${console.port}`, `127.0.0.1:${console.port}`, "[::1]"]) {
      const headers = { host, origin: `http://${host}` };
      expect((await ask("/session", { token: tokens.full, headers })).status).toBe(200);
    }
    const named = await consoleOf({ allowedHosts: ["console.shop.example"] });
    const headers = { host: "console.shop.example" };
    const { status } = await askPort(named.console.port, "/session", {
      token: tokens.full,
      headers,
    });
    expect(status).toBe(200);
  });
});

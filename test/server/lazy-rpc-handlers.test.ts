import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { mainServices, type ServicesOptions } from "../../src/rpc/main-services.ts";
import { otherServices } from "../../src/rpc/other-services.ts";
import { mainServiceNames, otherServiceNames } from "../../src/rpc/service-names.ts";
import { createService } from "../../src/grpc/service.ts";
import { createRpcHandlers, type RpcHandlers } from "../../src/server/rpc-handlers.ts";
import { createLazyRpcHandlers } from "../../src/server/lazy-rpc-handlers.ts";
import { listen } from "../../src/server/listener.ts";
import { Kinds } from "../grpc/kinds.ts";
import { call, connect, frame, open } from "../grpc/raw-client.ts";
import { until } from "../until.ts";
import { protocolsOf } from "./protocols-of.ts";
import { send, serve } from "./serve.ts";

/** Lanes for `test.Kinds` that a test lets come when it likes. */
async function serveLater() {
  const loads: PromiseWithResolvers<RpcHandlers>[] = [];
  const later = createLazyRpcHandlers({
    names: ["test.Kinds"],
    load() {
      const loading = Promise.withResolvers<RpcHandlers>();
      loads.push(loading);
      return loading.promise;
    },
    otherwise: (exchange) => exchange.answer(418, Buffer.from("otherwise")),
  });
  const protocols = protocolsOf(later, (exchange) => exchange.answer(404, Buffer.from("nobody")));
  const server = await listen({ host: "127.0.0.1", port: 0 }, protocols);
  return {
    port: (server.address() as AddressInfo).port,
    loads,
    lanes: () =>
      createRpcHandlers({
        services: [createService(Kinds, { unary: ({ value }) => ({ value }) })],
        maxMessageSize: 1000,
      }),
    async [Symbol.asyncDispose]() {
      server.close();
      await protocols.end(0);
    },
  };
}

test("the names are those of the services", async () => {
  await using served = await serve();
  const options = {
    runtime: served.runtime,
    closing: new AbortController().signal,
  } as ServicesOptions;
  const main = mainServices(options);
  const others = otherServices(options, main);
  expect(main.map(({ desc }) => desc.typeName)).toEqual(mainServiceNames);
  expect(others.map(({ desc }) => desc.typeName).toSorted()).toEqual(otherServiceNames);
});

test("calls that come while the lanes are loaded wait for them, and they are loaded once", async () => {
  await using served = await serveLater();
  const session = connect(served.port);
  const calls = [1, 2, 3].map(() => call(session, "/test.Kinds/Unary", frame("")));
  const overHttp1 = send(served.port, "/test.Kinds/Unary", {
    body: '"aGk="',
    headers: { "content-type": "application/json" },
  });
  const { stream, answer } = open(session, "/test.Kinds/Unary");
  stream.write(frame("").subarray(0, 2));
  await until(() => served.loads.length > 0, { what: "the first call" });
  await call(session, "/other/path", frame(""));
  stream.close(http2.constants.NGHTTP2_CANCEL);
  await answer.catch(() => undefined);
  served.loads[0]!.resolve(served.lanes());
  expect((await Promise.all(calls)).map(({ status }) => status)).toEqual([0, 0, 0]);
  expect((await overHttp1).text).toBe('"aGk="');
  expect((await call(session, "/test.Kinds/Unary", frame(""))).status).toBe(0);
  expect(served.loads).toHaveLength(1);
  session.destroy();
});

test("what the lanes do not take goes on, and other paths are never theirs", async () => {
  await using served = await serveLater();
  const session = connect(served.port);
  expect((await send(served.port, "/test.KindsOther/Unary")).text).toBe("nobody");
  expect((await send(served.port, "/")).text).toBe("nobody");
  expect(served.loads).toHaveLength(0);
  const unknown = send(served.port, "/test.Kinds/Nothing");
  await until(() => served.loads.length === 1, { what: "the first call" });
  served.loads[0]!.resolve(served.lanes());
  expect((await unknown).text).toBe("otherwise");
  const headers = { "content-type": "text/plain" };
  const overHttp2 = await call(session, "/test.Kinds/Nothing", Buffer.from("x"), headers);
  expect(overHttp2.headers[":status"]).toBe(418);
  expect((await call(session, "/test.Kinds/Nothing", frame(""))).status).toBe(12);
  session.destroy();
});

test("lanes that cannot be loaded cost the call, and the next one tries again", async () => {
  await using served = await serveLater();
  const session = connect(served.port);
  const first = call(session, "/test.Kinds/Unary", frame("")).then(
    ({ status }) => status,
    () => Number.NaN,
  );
  await until(() => served.loads.length === 1, { what: "the first call" });
  served.loads[0]!.reject(new Error("no such file"));
  expect(await first).toBeNaN();
  const second = call(session, "/test.Kinds/Unary", frame(""));
  await until(() => served.loads.length === 2, { what: "the second call" });
  served.loads[1]!.resolve(served.lanes());
  expect((await second).status).toBe(0);
  session.destroy();
});

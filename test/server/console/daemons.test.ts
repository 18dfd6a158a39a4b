import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { expect, onTestFinished, test } from "vitest";
import { Operations } from "../../../gen/cufflink/v1/operations_pb.ts";
import { remoteDaemon } from "../../../src/rpc/forwarding.ts";
import type { ConsoleDaemon } from "../../../src/server/console/console-server.ts";
import { serve } from "../serve.ts";
import { consoleOf, daemon, tokens } from "./console.ts";

function remote(name: string, port: number, token?: string): ConsoleDaemon {
  const endpoint = { host: "127.0.0.1", port, secure: false, prefix: "" };
  const made = remoteDaemon({ endpoint, token });
  onTestFinished(() => made[Symbol.dispose]());
  return { name, services: async () => made.services };
}

/** A client of one daemon, as the page has it. */
function clientOf(port: number, daemon: number, token = tokens.full) {
  const transport = createConnectTransport({
    ...{ baseUrl: `http://127.0.0.1:${port}/rpc/${daemon}`, httpVersion: "1.1" },
    interceptors: [
      (next) => (request) => {
        request.header.set("authorization", `Bearer ${token}`);
        return next(request);
      },
    ],
  });
  return createClient(Operations, transport);
}

const failure = (call: Promise<unknown>): Promise<ConnectError | undefined> =>
  call.then(
    () => undefined,
    (thrown: unknown) => ConnectError.from(thrown),
  );

test("several daemons are each under their number, and no other number leads anywhere", async () => {
  const [one, other] = [await daemon(), await daemon()];
  const { console, ask } = await consoleOf({
    daemons: [remote("one", one.served.port), remote("other", other.served.port)],
  });
  await clientOf(console.port, 1).pauseComponent({ name: "probe" });
  expect([one.operator.asked, other.operator.asked]).toEqual([
    [],
    ["pause probe by an operator: "],
  ]);
  const stream = clientOf(console.port, 0).watchComponents({ withSamples: true });
  for await (const response of stream) {
    expect(response).toMatchObject({ complete: true, components: [{ name: "probe" }] });
    break;
  }
  for (const index of ["2", "-1", "01", "1e0", "0x1", "99999", "127.0.0.1:1", "constructor", ""]) {
    const path = `/rpc/${index}/cufflink.v1.Operations/ListComponents`;
    expect([index, (await ask(path, { token: tokens.full, body: "{}" })).status]).toEqual([
      index,
      404,
    ]);
  }
});

test("what a daemon answers comes as it is; what it refuses is not taken for the console's own refusal", async () => {
  const { served, operator } = await daemon();
  await using guarded = await serve({ token: "of-the-daemon" });
  const { console } = await consoleOf({
    daemons: [
      remote("open", served.port),
      remote("guarded", guarded.port, "another-one"),
      remote("known", guarded.port, "of-the-daemon"),
    ],
  });
  const unknown = await failure(clientOf(console.port, 0).describeComponent({ name: "nosuch" }));
  expect([unknown?.code, unknown?.rawMessage]).toEqual([
    ...[Code.NotFound, 'no component is called "nosuch"; there are: probe'],
  ]);
  const refused = await failure(clientOf(console.port, 1).listComponents({}));
  expect(refused?.code).toBe(Code.FailedPrecondition);
  expect(refused?.rawMessage).toContain("the daemon refuses this console");
  expect((await clientOf(console.port, 2).listComponents({})).components).toHaveLength(1);
  const looking = clientOf(console.port, 0, tokens.readOnly);
  expect((await failure(looking.pauseComponent({ name: "probe" })))?.code).toBe(
    Code.PermissionDenied,
  );
  expect(operator.asked).toEqual([]);
});

test("a daemon that is away is UNAVAILABLE, in a sentence, and there again once it is", async () => {
  const first = await serve();
  const { port } = first;
  const { console } = await consoleOf({ daemons: [remote("shop", port)] });
  const client = clientOf(console.port, 0);
  await client.listComponents({});
  await first[Symbol.asyncDispose]();
  const away = await failure(client.listComponents({}));
  expect(away?.code).toBe(Code.Unavailable);
  expect(away?.rawMessage).toContain(`no runtime answers at 127.0.0.1:${port}`);
  const stream = client.watchComponents({})[Symbol.asyncIterator]();
  expect((await failure(stream.next()))?.code).toBe(Code.Unavailable);
  await using _ = await serve({ addresses: [{ host: "127.0.0.1", port }] });
  expect((await client.listComponents({})).components).toHaveLength(1);
});

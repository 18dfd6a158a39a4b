import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { expect, onTestFinished, test } from "vitest";
import {
  ComponentState,
  Operations,
  type WatchComponentsResponse,
} from "../../gen/cufflink/v1/operations_pb.ts";
import { serve, spec, type Served } from "../server/serve.ts";

const interval = { nanos: 250_000_000 };

function clientOf({ port }: Served) {
  return createClient(Operations, createGrpcTransport({ baseUrl: `http://127.0.0.1:${port}` }));
}

/** Reads one response after another until one is as it is asked for. */
async function until(
  stream: AsyncIterator<WatchComponentsResponse>,
  isWanted: (response: WatchComponentsResponse) => boolean,
): Promise<WatchComponentsResponse> {
  for (;;) {
    const { done, value } = await stream.next();
    if (done === true) throw new Error("the stream has ended");
    if (isWanted(value)) return value;
  }
}

test("everything comes at once, then what has changed, and the end with the server", async () => {
  await using served = await serve();
  const stream = clientOf(served).watchComponents({ interval })[Symbol.asyncIterator]();
  const first = await stream.next();
  expect(first.value).toMatchObject({
    ...{ complete: true, removed: [], storeTrouble: "", revision: 1n },
    components: [{ name: "probe", state: ComponentState.RUNNING }],
  });
  const invoked = served.runtime.invoke({
    ...{ name: "probe", operation: "create", data: undefined, encoding: "bytes", metadata: {} },
    signal: new AbortController().signal,
  });
  await invoked;
  const counted = await until(stream, ({ components }) => components.length > 0);
  expect(counted.components[0]?.output).toMatchObject({ invocations: 1n });
  await served.runtime.apply([spec("next")]);
  const renamed = await until(stream, ({ removed }) => removed.length > 0);
  expect(renamed).toMatchObject({ complete: false, removed: ["probe"] });
  const closed = served.server.close(60_000);
  await until(stream, () => false).catch((error: unknown) =>
    expect(String(error)).toContain("the stream has ended"),
  );
  await closed;
});

test("the same as a stream of JSON over HTTP/1.1, as a web page reads it", async () => {
  await using served = await serve();
  const transport = createConnectTransport({
    ...{ baseUrl: `http://127.0.0.1:${served.port}`, httpVersion: "1.1", useBinaryFormat: false },
  });
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  const client = createClient(Operations, transport);
  const stream = client.watchComponents({ interval }, { signal: stop.signal });
  for await (const { components } of stream) {
    expect(components).toMatchObject([{ name: "probe" }]);
    break;
  }
});

test("an interval that is too short or too long is refused", async () => {
  await using served = await serve();
  for (const interval of [{ nanos: 1_000_000 }, { seconds: 61n }]) {
    const stream = clientOf(served).watchComponents({ interval })[Symbol.asyncIterator]();
    const error = await stream.next().catch((thrown: unknown) => ConnectError.from(thrown));
    expect(error).toMatchObject({ code: Code.InvalidArgument });
  }
});

import { fromBinary } from "@bufbuild/protobuf";
import * as fc from "fast-check";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { BindingEventRequestSchema } from "../../../gen/dapr/proto/runtime/v1/appcallback_pb.ts";
import { create, toBinary } from "@bufbuild/protobuf";
import { ListInputBindingsResponseSchema } from "../../../gen/dapr/proto/runtime/v1/appcallback_pb.ts";
import { startHttp2Server } from "../../grpc/http2-server.ts";
import { until } from "../../until.ts";
import { anyText, plainText, someBytes } from "../mutation.ts";
import type { Target, Trial } from "../target.ts";
import { Settlements, startFixture } from "../fixture.ts";

type Event = {
  readonly data: Uint8Array | undefined;
  readonly headers: readonly { readonly name: string; readonly value: Uint8Array }[];
  readonly metadata: readonly (readonly [string, string])[];
  readonly key: Uint8Array | string | undefined;
  readonly id: string | undefined;
};

type Input = { readonly events: readonly Event[] };

const name = fc.oneof(
  anyText(12),
  plainText(12),
  fc.constantFrom(
    ...[
      "",
      "__proto__",
      "constructor",
      "content-length",
      "Transfer-Encoding",
      "connection",
      "host",
    ],
    ...[
      ":path",
      "te",
      "grpc-status",
      "grpc-timeout",
      "x-bin",
      "traceparent",
      "tracestate",
      "baggage",
    ],
    ...[
      "dapr-api-token",
      "cufflink-attempt",
      "content-type",
      "expect",
      "upgrade",
      "a.encoding",
      "a",
    ],
  ),
);
const event: fc.Arbitrary<Event> = fc.record({
  data: fc.option(fc.oneof(fc.uint8Array({ maxLength: 300 }), someBytes), { nil: undefined }),
  headers: fc.array(
    fc.record({ name, value: fc.oneof(someBytes, fc.uint8Array({ maxLength: 60 })) }),
    {
      maxLength: 6,
    },
  ),
  metadata: fc.array(fc.tuple(name, fc.oneof(anyText(30), plainText(30))), { maxLength: 4 }),
  key: fc.option(fc.oneof(someBytes, anyText(8), fc.constantFrom("", "__proto__")), {
    nil: undefined,
  }),
  id: fc.option(fc.oneof(anyText(12), plainText(12)), { nil: undefined }),
});

/** An app in this process; `got` is told the payload of each event. */
type TrialApp = AsyncDisposable & {
  readonly protocol: "http" | "h2c" | "grpc";
  readonly port: number;
};

/** Events of any content towards apps of every kind: each comes once, its payload as it was. */
export const events: Target<Input> = {
  name: "events",
  input: fc.record({ events: fc.array(event, { minLength: 1, maxLength: 5 }) }),
  async start() {
    let got: Buffer[] = [];
    const apps = await Promise.all([
      startHttpApp((data) => got.push(data)),
      startHttp2App("h2c", (data) => got.push(data)),
      startHttp2App("grpc", (data) => got.push(data)),
    ]);
    const fixtures = await Promise.all(apps.map((app) => startFixture({ app })));
    const trial: Trial<Input> = {
      async check(input) {
        for (const fixture of fixtures) {
          got = [];
          const settlements = new Settlements();
          const reading = await fixture.reading();
          const list = input.events.map(({ metadata, ...facts }, index) =>
            settlements.event(String(index), {
              ...facts,
              metadata: Object.fromEntries(metadata),
              key: facts.key,
              id: facts.id,
            }),
          );
          await reading.deliver(list);
          await until(() => settlements.open.length === 0, {
            what: () => `events ${settlements.open.join(", ")} of ${fixtures.indexOf(fixture)}`,
          });
          settlements.assertAllHandledOnce();
          const sent = input.events.map(({ data }) => Buffer.from(data ?? []).toString("hex"));
          const came = got.map((data) => data.toString("hex"));
          if (JSON.stringify(sent.toSorted()) !== JSON.stringify(came.toSorted()))
            throw new Error(`sent ${JSON.stringify(sent)}, came ${JSON.stringify(came)}`);
        }
      },
      async [Symbol.asyncDispose]() {
        for (const fixture of fixtures) await fixture[Symbol.asyncDispose]();
        for (const app of apps) await app[Symbol.asyncDispose]();
      },
    };
    return trial;
  },
};

async function startHttpApp(got: (data: Buffer) => void): Promise<TrialApp> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      if (request.method === "POST") got(Buffer.concat(chunks));
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    protocol: "http",
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function startHttp2App(
  protocol: "h2c" | "grpc",
  got: (data: Buffer) => void,
): Promise<TrialApp> {
  const listing = toBinary(
    ListInputBindingsResponseSchema,
    create(ListInputBindingsResponseSchema, { bindings: ["orders"] }),
  );
  const server = await startHttp2Server((call) => {
    // It keeps them for tests that look at them.
    server.calls.length = 0;
    if (protocol === "h2c") {
      if (call.headers[":method"] === "POST") got(call.body);
      call.stream.respond({ ":status": 200 }, { endStream: true });
    } else if (call.path.endsWith("/OnBindingEvent")) {
      got(Buffer.from(fromBinary(BindingEventRequestSchema, call.body.subarray(5)).data));
      call.ok(new Uint8Array());
    } else if (call.path.endsWith("/ListInputBindings")) call.ok(listing);
    else call.fail(12);
  });
  return { protocol, port: server.port, [Symbol.asyncDispose]: () => server.stop() };
}

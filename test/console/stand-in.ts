// A console's server with made-up daemons behind it: serves the built page with the headers that the real one sends.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { ConnectRouter, HandlerContext } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { DeadLetters, RedriveOutcome } from "../../gen/cufflink/v1/dead_letters_pb.ts";
import { History, TailEventsResponseSchema } from "../../gen/cufflink/v1/history_pb.ts";
import { Operations, WatchComponentsResponseSchema } from "../../gen/cufflink/v1/operations_pb.ts";
import { Dapr } from "../../gen/dapr/proto/runtime/v1/dapr_pb.ts";
import type { ConsoleManifest } from "../../scripts/build-console.ts";
import { bindings } from "../../src/bindings/index.ts";
import { describeType } from "../../src/rpc/type-message.ts";
import {
  components,
  deadLetterCounts,
  deadLetters,
  definition,
  events,
  examinations,
  reloads,
  samples,
  shopTime,
} from "./shop.ts";

/** A server that serves the page, with daemons behind it that say what was made up. */
export type StandIn = AsyncDisposable & {
  readonly url: string;
  /** Which calls were made, by method. */
  readonly calls: string[];
  /** Requests that the page made, by path. */
  readonly paths: string[];
  /** Ends the streams and answers no more until {@link back}. */
  away(): void;
  back(): void;
};

type Options = {
  /** The folder that `buildConsole` has written. */
  readonly page: string;
  readonly readOnly?: boolean;
  readonly daemons?: readonly string[];
  /** Components beyond those of the shop. */
  readonly more?: number;
  readonly deadLetters?: number;
};

export const token = "console-test-token";

/** The headers of every answer. */
const securityHeaders: Readonly<Record<string, string>> = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
};

/** Starts one on a free port of the loopback address. */
export async function startStandIn(options: Options): Promise<StandIn> {
  const { page, readOnly = false, daemons = ["shop"] } = options;
  const { files } = JSON.parse(
    readFileSync(join(page, "manifest.json"), "utf8"),
  ) as ConsoleManifest;
  const [calls, paths]: [string[], string[]] = [[], []];
  const open = new Set<ServerResponse>();
  let isAway = false;
  const rpc = connectNodeAdapter({ routes: (router) => routes(router, options, calls) });
  const server = createServer((request, response) => {
    const path = request.url ?? "/";
    paths.push(path);
    for (const [name, value] of Object.entries(securityHeaders)) response.setHeader(name, value);
    if (isAway) {
      response.destroy();
      return;
    }
    const file = files[path];
    if (file) {
      response.setHeader("content-type", file.type);
      response.end(readFileSync(join(page, file.file)));
      return;
    }
    if (request.headers.authorization !== `Bearer ${token}`) {
      response.writeHead(401).end();
      return;
    }
    if (path === "/session") {
      response.setHeader("content-type", "application/json");
      const kind = readOnly ? "read-only" : "full";
      const named = daemons.map((name) => ({ name }));
      response.end(JSON.stringify({ kind, daemons: named, version: "0.1.0" }));
      return;
    }
    open.add(response);
    response.once("close", () => open.delete(response));
    forward(request, response);
  });
  function forward(request: IncomingMessage, response: ServerResponse): void {
    request.url = (request.url ?? "").replace(/^\/rpc\/\d+/, "");
    rpc(request, response);
  }
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    paths,
    away() {
      isAway = true;
      for (const response of open) response.destroy();
    },
    back() {
      isAway = false;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => void server.close(resolve));
    },
  };
}

function routes(router: ConnectRouter, options: Options, calls: string[]): void {
  const { more = 0 } = options;
  const now = timestampFromMs(shopTime);
  const letters = deadLetters(options.deadLetters);
  const matching = (ids: readonly string[] = [], component = "", reason = "") =>
    letters.filter(
      (letter) =>
        (ids.length === 0 || ids.includes(letter.id)) &&
        (component === "" || letter.component === component) &&
        letter.reason.toLowerCase().includes(reason.toLowerCase()),
    );
  const note = (context: HandlerContext): void => void calls.push(context.method.name);
  router.service(Operations, {
    // It has its store alone.
    describeFleet: () => ({}),
    async *watchComponents(_, context) {
      note(context);
      yield create(WatchComponentsResponseSchema, {
        complete: true,
        components: components(more),
        samples: samples(more),
        deadLetters: deadLetterCounts(),
        revision: 14n,
        at: now,
      });
      while (!context.signal.aborted) {
        await delay(1000, undefined, { signal: context.signal }).catch(() => undefined);
        yield create(WatchComponentsResponseSchema, { revision: 14n, at: now });
      }
    },
    getDefinition: () => definition,
    describePolicies: () => ({
      inbound: {
        parts: [
          { name: "attempts", value: "10", source: "default" },
          { name: "pause", value: "from 1s, doubling to 60s", source: "default" },
          { name: "timeout", value: "5s", source: "Resiliency shop (resiliency.yaml:12)" },
          { name: "when used up", value: "dead letter", source: "default" },
        ],
      },
      outbound: {
        parts: [
          { name: "attempts", value: "3", source: "Resiliency shop (resiliency.yaml:18)" },
          {
            name: "circuit breaker",
            value: "opens after 5 failures for 30s",
            source: "Resiliency shop (resiliency.yaml:24)",
          },
        ],
      },
    }),
    listReloads: () => reloads,
    listBindingTypes: () => ({
      bindingTypes: bindings.map(describeType).map((type) => ({
        ...type,
        metadata: [],
        operations: type.operations.map(({ name }) => ({ name })),
      })),
    }),
    describeBindingType({ name }) {
      const found = bindings.find((one) => one.name === name.replace(/^bindings\./, ""));
      if (!found) throw new ConnectError(`there is no type ${name}`, Code.NotFound);
      return { bindingType: describeType(found) };
    },
    async *examineComponents() {
      yield* examinations();
    },
    pauseComponent(_, context) {
      note(context);
      return {};
    },
    emitEvent: () => ({
      outcome: { case: "handled", value: { data: Buffer.from('{"stored":true}'), to: ["cache"] } },
    }),
  });
  router.service(History, {
    listEvents: () => ({ records: events() }),
    explainEvent: ({ eventId }) => ({
      records: events()
        .filter((one) => one.eventId === eventId || (eventId === "" && one.deadLetterId !== ""))
        .slice(0, 1),
    }),
    async *tailEvents(_, { signal }) {
      const list = events().slice(0, 14).toReversed();
      for (const [index, record] of list.entries()) {
        const data = Buffer.from(
          JSON.stringify({ order: 918_000 + index, customer: `C-${4100 + index}`, lines: 2 }),
        );
        yield create(TailEventsResponseSchema, {
          event: {
            record,
            data,
            dataSize: BigInt(data.length),
            headers: [{ name: "source", value: Buffer.from("web-shop") }],
            metadata: { topic: "orders" },
          },
          leftOut: index === 5 ? 31n : 0n,
        });
      }
      await aborted(signal);
    },
  });
  router.service(DeadLetters, {
    listDeadLetters({ filter, pageSize, pageToken }) {
      const all = matching(filter?.ids, filter?.component, filter?.reason);
      const from = Number(pageToken || 0);
      const size = pageSize || 100;
      return {
        deadLetters: all.slice(from, from + size),
        nextPageToken: from + size < all.length ? String(from + size) : "",
      };
    },
    getDeadLetter({ id }) {
      const deadLetter = letters.find((one) => one.id === id);
      if (!deadLetter) throw new ConnectError(`there is no dead letter ${id}`, Code.NotFound);
      return { deadLetter };
    },
    listDeadLetterTotals: () => ({
      totals: ["orders", "payments"].flatMap((component) => {
        const of = matching([], component);
        const oldest = of[0]?.storedAt;
        if (!oldest) return [];
        return [{ component, count: BigInt(of.length), bytes: BigInt(of.length * 1400), oldest }];
      }),
    }),
    dropDeadLetters({ filter }, context) {
      note(context);
      return { dropped: BigInt(matching(filter?.ids, filter?.component, filter?.reason).length) };
    },
    async *redriveDeadLetters({ filter }, { signal }) {
      const all = matching(filter?.ids, filter?.component, filter?.reason);
      const totals = { matched: BigInt(all.length), handled: 0n, refused: 0n, skipped: 0n };
      yield { totals };
      for (const [index, letter] of all.slice(0, 24).entries()) {
        const refused = index % 8 === 7;
        if (refused) totals.refused++;
        else totals.handled++;
        yield {
          result: {
            id: letter.id,
            component: letter.component,
            eventId: letter.event?.id ?? "",
            outcome: refused ? RedriveOutcome.REFUSED : RedriveOutcome.HANDLED,
            reason: refused ? letter.reason : "",
          },
          totals,
        };
      }
      await aborted(signal);
    },
  });
  router.service(Dapr, {
    invokeBinding: ({ data }) => ({ data, metadata: { duration: "3ms" } }),
  });
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

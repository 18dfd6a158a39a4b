import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

const root = resolve(import.meta.dirname, "..");
const folder = mkdtempSync(join(tmpdir(), "cufflink-layers-"));

/** Imports that the linter must refuse: who imports what. */
const refused = [
  ["src/errors.ts", "./metadata/fields.ts"],
  ["src/metadata/fields.ts", "../binding.ts"],
  ["src/metadata/parse.ts", "../runtime/runtime.ts"],
  ["src/binding.ts", "./runtime/runtime.ts"],
  ["src/binding.ts", "../gen/dapr/proto/runtime/v1/dapr_pb.ts"],
  ["src/bindings/cron.ts", "./redis.ts"],
  ["src/bindings/http.ts", "../runtime/runtime.ts"],
  ["src/bindings/file.ts", "../../gen/dapr/proto/runtime/v1/dapr_pb.ts"],
  ["src/bindings/kafka/index.ts", "../redis/index.ts"],
  ["src/bindings/kafka/events.ts", "../../runtime/runtime.ts"],
  ["src/bindings/kafka/client.ts", "@connectrpc/connect"],
  ["src/bindings/kafka/client.ts", "../../grpc/client.ts"],
  ["src/bindings/grpc/connection.ts", "../../grpc/transport.ts"],
  ["src/bindings/grpc/connection.ts", "../../rpc/client.ts"],
  ["src/bindings/grpc/connection.ts", "../kafka/client.ts"],
  ["src/bindings/grpc/connection.ts", "@connectrpc/connect"],
  ["src/bindings/grpc/descriptors.ts", "../../../gen/grpc/reflection/v1/reflection_pb.ts"],
  ["src/bindings/mqtt/mqtt5/session.ts", "../mqtt3/index.ts"],
  ["src/bindings/mqtt/mqtt5/session.ts", "../../redis/connection.ts"],
  ["src/bindings/mqtt/mqtt5/session.ts", "../../../runtime/runtime.ts"],
  ["src/bindings/mqtt/address.ts", "../redis/addresses.ts"],
  ["src/bindings/gcp/pubsub-client.ts", "../../grpc/transport.ts"],
  ["src/bindings/apns/connection.ts", "../../grpc/server.ts"],
  ["src/bindings/aws/http2-exchange.ts", "../../grpc/server.ts"],
  ["src/bindings/aws/client.ts", "../../grpc/client-connection.ts"],
  ["src/bindings/gcp/gcp.pubsub/index.ts", "../../../grpc/client.ts"],
  ["src/policy/retry.ts", "../binding.ts"],
  ["src/store/sqlite/engine.ts", "../runtime/runtime.ts"],
  ["src/relay/writer.ts", "../bindings/nats/index.ts"],
  ["src/relay/writer.ts", "../runtime/runtime.ts"],
  ["src/runtime/component/input.ts", "../../relay/relay.ts"],
  ["src/store/store.ts", "../fleet/lease-keeper.ts"],
  ["src/fleet/lease-keeper.ts", "../runtime/component/input.ts"],
  ["src/fleet/lease-keeper.ts", "../bindings/nats/index.ts"],
  ["src/runtime/runtime.ts", "../fleet/replica-fleet.ts"],
  ["src/secret-stores/local.env/index.ts", "../../resources/resolve.ts"],
  ["src/secret-stores/aws/aws.secretmanager/index.ts", "../../../bindings/aws/aws.sqs/index.ts"],
  ["src/secret-stores/kubernetes/index.ts", "../../runtime/runtime.ts"],
  ["src/resources/load.ts", "../runtime/runtime.ts"],
  ["src/resources/lint.ts", "../bindings/index.ts"],
  ["src/runtime/runtime.ts", "../bindings/index.ts"],
  ["src/runtime/delivery/delivery.ts", "../../rpc/dapr.ts"],
  ["src/runtime/outputs/outputs.ts", "../../app/grpc.ts"],
  ["src/runtime/status.ts", "../../gen/cufflink/v1/operations_pb.ts"],
  ["src/grpc/server.ts", "../errors.ts"],
  ["src/grpc/server.ts", "../http-client/client.ts"],
  ["src/http2/stream.ts", "../memory/budget.ts"],
  ["src/http2/stream.ts", "node:http2"],
  ["src/http2/stream.ts", "undici"],
  ["src/grpc/server.ts", "../metadata/duration.ts"],
  ["src/memory/budget.ts", "../errors.ts"],
  ["src/http-client/client.ts", "../bindings/http/index.ts"],
  ["src/http-client/client.ts", "../binding.ts"],
  ["src/grpc-service/service.ts", "../grpc/server.ts"],
  ["src/grpc-service/service.ts", "../bindings/gcp/place.ts"],
  ["src/oauth/client-credentials.ts", "../bindings/kafka/fields.ts"],
  ["src/oauth/token.ts", "../runtime/secrets.ts"],
  ["src/nats-client/link.ts", "../bindings/nats/fields.ts"],
  ["src/store/nats/nats-store.ts", "../../bindings/nats/index.ts"],
  ["src/identity/azure/entra.ts", "../../metadata/entra-fields.ts"],
  ["src/sql/call.ts", "../bindings/postgres/index.ts"],
  ["src/kubernetes-client/client.ts", "../binding.ts"],
  ["src/kubernetes/cluster-resources.ts", "../runtime/runtime.ts"],
  ["src/kubernetes/roles.ts", "../cli/serve.ts"],
  ["src/tls/pem.ts", "../binding.ts"],
  ["src/proxy/tunnel.ts", "../binding.ts"],
  ["src/proxy/tunnel.ts", "../grpc/client.ts"],
  ["src/grpc/client.ts", "../policy/policy.ts"],
  ["src/folder-watch/stable-files.ts", "../bindings/file/folder.ts"],
  ["src/feed/progress.ts", "../binding.ts"],
  ["src/http-receiver/receiver.ts", "../binding.ts"],
  ["src/schedule/ticker.ts", "../bindings/cron/index.ts"],
  ["src/grpc/server.ts", "../binding.ts"],
  ["src/grpc/client.ts", "../../gen/google/rpc/status_pb.ts"],
  ["src/app/grpc.ts", "../bindings/index.ts"],
  ["src/app/http.ts", "../rpc/dapr.ts"],
  ["src/rpc/dapr.ts", "../bindings/index.ts"],
  ["src/rpc/health.ts", "../app/grpc.ts"],
  ["src/server/server.ts", "../../gen/dapr/proto/runtime/v1/dapr_pb.ts"],
  ["src/telemetry/metrics.ts", "../rpc/dapr.ts"],
  ["src/workers/workers.ts", "../bindings/index.ts"],
  ["src/workers/workers.ts", "../rpc/dapr.ts"],
  ["src/telemetry/export/otlp.ts", "../../grpc/client.ts"],
  ["src/telemetry/export/grpc-transport.ts", "../../server/server.ts"],
  ["src/pluggable/host/connection.ts", "../../runtime/runtime.ts"],
  ["src/pluggable/sockets-folder.ts", "../server/listener.ts"],
  ["src/pluggable/component/instance.ts", "../../bindings/index.ts"],
  ["src/scaler/scaler.ts", "../rpc/external-scaler.ts"],
  ["src/scaler/source.ts", "../bindings/index.ts"],
  ["src/cli/serve.ts", "../../gen/dapr/proto/runtime/v1/dapr_pb.ts"],
  ["src/index.ts", "./main.ts"],
  ["src/index.ts", "./sdk/app.ts"],
  ["src/app/grpc.ts", "../sdk/event.ts"],
  ["src/sdk/app.ts", "../app/grpc.ts"],
  ["src/sdk/event.ts", "../binding.ts"],
  ["src/sdk/invoker.ts", "@connectrpc/connect"],
  ["console/src/format.ts", "../../src/errors.ts"],
  ["console/src/bytes.ts", "node:buffer"],
] as const;

/** Imports that it must let pass. */
const allowed = [
  ["src/grpc/client-connection.ts", "../proxy/tunnel.ts"],
  ["src/http-client/dispatchers.ts", "../proxy/tunnel.ts"],
  ["src/metadata/byte-size.ts", "../errors.ts"],
  ["src/bindings/index.ts", "./redis.ts"],
  ["src/bindings/redis.ts", "../binding.ts"],
  ["src/bindings/redis/connection.ts", "./addresses.ts"],
  ["src/bindings/redis/options.ts", "../../metadata/fields.ts"],
  ["src/bindings/graphql/index.ts", "../../http-client/client.ts"],
  ["src/bindings/file/folder.ts", "../../folder-watch/sighting.ts"],
  ["src/bindings/grpc/connection.ts", "../../grpc/client.ts"],
  ["src/bindings/gcp/pubsub-client.ts", "../../grpc/client.ts"],
  ["src/bindings/apns/connection.ts", "../../grpc/client-connection.ts"],
  ["src/bindings/aws/http2-exchange.ts", "../../grpc/client-connection.ts"],
  ["src/bindings/mqtt/mqtt5/index.ts", "../address.ts"],
  ["src/bindings/mqtt/mqtt5/topics.ts", "../../../metadata/fields.ts"],
  ["src/http-client/client.ts", "../memory/budget.ts"],
  ["src/http-client/client.ts", "../errors.ts"],
  ["src/secret-stores/aws/aws.secretmanager/index.ts", "../../../bindings/aws/fields.ts"],
  ["src/secret-stores/hashicorp.vault/index.ts", "../../http-client/client.ts"],
  ["src/secret-stores/azure.keyvault/index.ts", "../../identity/azure/open.ts"],
  ["src/resources/store-types.ts", "../secret-stores/modules.ts"],
  ["src/secret-stores/kubernetes/index.ts", "../../kubernetes-client/client.ts"],
  ["src/bindings/kubernetes/index.ts", "../../kubernetes-client/client.ts"],
  ["src/kubernetes/cluster-resources.ts", "../resources/resource-object.ts"],
  ["src/kubernetes/cluster-resources.ts", "../kubernetes-client/client.ts"],
  ["src/runtime/delivery/attempt.ts", "../app.ts"],
  ["src/runtime/delivery/lanes.ts", "../../binding.ts"],
  ["src/runtime/delivery/delivery.ts", "../../store/store.ts"],
  ["src/store/sqlite/engine.ts", "../errors.ts"],
  ["src/fleet/lease-keeper.ts", "../store/leases.ts"],
  ["src/fleet/replica-fleet.ts", "../runtime/ownership.ts"],
  ["src/grpc/client-unary.ts", "../memory/byte-parts.ts"],
  ["src/grpc/server.ts", "../http2/stream.ts"],
  ["src/http2/stream.ts", "node:stream"],
  ["src/http2/stream.ts", "./limits.ts"],
  ["src/oauth/client-credentials.ts", "../memory/bounded-text.ts"],
  ["src/bindings/kafka/oidc-token.ts", "../../oauth/token.ts"],
  ["src/identity/azure/links.ts", "../../oauth/client-credentials.ts"],
  ["src/bindings/mqtt/address.ts", "../../tls/pem.ts"],
  ["src/feed/progress.ts", "../checkpoints.ts"],
  ["src/store/nats/nats-store.ts", "../../nats-client/link.ts"],
  ["src/schedule/schedule.ts", "../metadata/duration.ts"],
  ["src/app/callback.ts", "../../gen/dapr/proto/runtime/v1/appcallback_pb.ts"],
  ["src/app/transport.ts", "../grpc/client.ts"],
  ["src/rpc/operations.ts", "../runtime/runtime.ts"],
  ["src/server/listener.ts", "../rpc/dapr.ts"],
  ["src/server/rpc-handlers.ts", "../grpc/service.ts"],
  ["src/grpc/service.ts", "@connectrpc/connect"],
  ["src/main.ts", "./bindings/index.ts"],
  ["src/workers/workers.ts", "../app/dialled-streams.ts"],
  ["src/sdk/event-stream.ts", "../../gen/cufflink/v1/event_streams_pb.ts"],
  ["src/sdk/invoker.ts", "../grpc/client.ts"],
  ["src/sdk/outcome.ts", "../errors.ts"],
  ["src/sdk/outcome.ts", "../handler-errors.ts"],
  ["src/app/function.ts", "../handler-errors.ts"],
  ["src/sdk/app.ts", "./outcome.ts"],
  ["console/src/words.ts", "../../gen/cufflink/v1/operations_pb.ts"],
  ["console/src/daemon.ts", "@connectrpc/connect"],
] as const;

/** Where two files that import each other's types must be refused, as others that import each other must. */
const withoutCircles = ["src/runtime", "bench", "test", "scripts"] as const;

let complaints: Set<string>;
let circles: string[];

beforeAll(() => {
  // The layers need no types, and these files have none.
  const settings = JSON.parse(readFileSync(join(root, ".oxlintrc.json"), "utf8")) as object;
  const untyped = JSON.stringify({ ...settings, options: {} });
  writeFileSync(join(folder, ".oxlintrc.json"), untyped);
  const imports = new Map<string, string[]>();
  for (const [from, to] of [...refused, ...allowed]) {
    imports.set(from, [...(imports.get(from) ?? []), to]);
  }
  for (const [path, targets] of imports) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    const lines = targets.map((target, index) => `export { a as a${index} } from "${target}";\n`);
    writeFileSync(join(folder, path), lines.join(""));
  }
  for (const path of withoutCircles) {
    mkdirSync(join(folder, path), { recursive: true });
    const first = 'import type { B } from "./circle-b.ts";\nexport type A = B;\n';
    writeFileSync(join(folder, path, "circle-a.ts"), first);
    const second = 'import type { A } from "./circle-a.ts";\nexport type B = A | undefined;\n';
    writeFileSync(join(folder, path, "circle-b.ts"), second);
  }
  const lint = spawnSync("oxlint", ["--format=unix", "."], { cwd: folder, encoding: "utf8" });
  circles = lint.stdout.split("\n").filter((line) => line.includes("no-cycle"));
  complaints = new Set(
    lint.stdout.split("\n").flatMap((line) => {
      const [, path, number] = /^(.+?):(\d+):/.exec(line) ?? [];
      if (path === undefined || !line.includes("no-restricted-imports")) return [];
      return [`${path.replace(/^\.\//, "")} ${imports.get(path)?.[Number(number) - 1]}`];
    }),
  );
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

test.each(refused)("%s may not import %s", (from, to) => {
  expect(complaints).toContain(`${from} ${to}`);
});

test.each(allowed)("%s may import %s", (from, to) => {
  expect(complaints).not.toContain(`${from} ${to}`);
});

test.each(withoutCircles)("files of %s may not import each other, not even their types", (path) => {
  for (const file of ["circle-a.ts", "circle-b.ts"])
    expect(circles.some((line) => line.includes(`${path}/${file}`))).toBe(true);
});

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { startDaemon, type Daemon } from "./daemon.ts";
import { grpc, http1, invokeBytes, invokePath } from "./hostile-wire.ts";

const folder = mkdtempSync(join(tmpdir(), "cufflink-token-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("with a token", () => {
  let guarded: Daemon;
  const token = "Swordfish-token-34";
  beforeAll(async () => {
    guarded = await startDaemon({
      components: [
        {
          name: "files",
          type: "bindings.localstorage",
          metadata: { rootPath: join(folder, "files") },
        },
      ],
      env: { DAPR_API_TOKEN: token },
      flags: ["--log-level", "debug"],
    });
  }, 60_000);
  afterAll(() => guarded?.[Symbol.asyncDispose]());

  test.each([
    ["missing", undefined],
    ["empty", ""],
    ["wrong", "Swordfish-token-3"],
    ["longer", `${token}5`],
  ])("%s: refused over HTTP, gRPC, Connect and streams; health is open", async (_, given) => {
    const { httpPort, grpcPort } = guarded;
    const headers: Record<string, string> = given === undefined ? {} : { "dapr-api-token": given };
    const line = given === undefined ? "" : `dapr-api-token: ${given}\r\n`;
    for (const [method, path] of [
      ["POST", "/v1.0/bindings/files"],
      ["GET", "/v1.0/metadata"],
      ["POST", "/v1.0/shutdown"],
      ["GET", "/v1.0/healthz/../metadata"],
    ] as const) {
      expect(await http1(httpPort, method, path, { headers: line })).toMatch(
        /^HTTP\/1\.1 401 [^]*invalid api token\n$/,
      );
    }
    const body = invokeBytes("files", "create", "x");
    expect(await grpc(grpcPort, invokePath, body, headers)).toMatchObject({
      code: 16,
      message: "Unauthorized",
    });
    const json = {
      body: '{"name":"files","operation":"create"}',
      headers: `Content-Type: application/json\r\n${line}`,
    };
    expect(await http1(httpPort, "POST", invokePath, json)).toMatch(
      /^HTTP\/1\.1 401 [^]*"code":"unauthenticated"/,
    );
    const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${grpcPort}` });
    const ask = async (): Promise<number> => {
      const answers = createClient(ServerReflection, transport).serverReflectionInfo(questions(), {
        headers,
      });
      let count = 0;
      for await (const _answer of answers) count++;
      return count;
    };
    await expect(ask().catch((error: unknown) => ConnectError.from(error).code)).resolves.toBe(
      Code.Unauthenticated,
    );
    for (const path of ["/v1.0/healthz", "/v1.0/healthz/outbound", "/v1.0/healthz/ready"]) {
      expect(await http1(httpPort, "GET", path)).toMatch(/^HTTP\/1\.1 204 /);
    }
    expect((await createClient(Health, transport).check({})).status).toBe(1);
    for await (const { status } of createClient(Health, transport).watch({})) {
      expect(status).toBe(1);
      break;
    }
    expect(guarded.process.exitCode).toBeNull();
  });

  test("the right one opens each, and is in no output", async () => {
    const headers = { "dapr-api-token": token };
    const body = invokeBytes("files", "create", "x");
    expect((await grpc(guarded.grpcPort, invokePath, body, headers)).code).toBe(0);
    const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${guarded.grpcPort}` });
    for await (const { messageResponse } of createClient(
      ServerReflection,
      transport,
    ).serverReflectionInfo(questions(), { headers })) {
      expect(messageResponse.case).toBe("listServicesResponse");
    }
    expect(guarded.output()).not.toContain("Swordfish");
  });
});

async function* questions() {
  yield { messageRequest: { case: "listServices", value: "" } } as const;
}

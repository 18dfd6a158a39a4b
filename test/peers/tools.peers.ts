// curl, nghttp and h2load against the daemon, in cleartext and over TLS.
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { create, toBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { InvokeBindingRequestSchema } from "../../gen/dapr/proto/runtime/v1/dapr_pb.ts";
import { makeCertificates, type Certificates } from "../bindings/certificates.ts";
import { startDaemon, type Daemon } from "../e2e/daemon.ts";
import { installPackages } from "../servers/install.ts";
import { findProgram } from "../servers/server-process.ts";

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), "cufflink-tools-"));
let made: Certificates;
let plain: Daemon;
let secure: Daemon;
beforeAll(async () => {
  if (findProgram("curl") === undefined) await installPackages("curl");
  if (findProgram("h2load") === undefined) await installPackages("nghttp2-client");
  made = makeCertificates();
  const files = {
    ...{ name: "files", type: "bindings.localstorage" },
    metadata: { rootPath: folder },
  };
  plain = await startDaemon({ components: [files] });
  const { certPath, keyPath } = made.server;
  const flags = ["--tls-cert", certPath, "--tls-key", keyPath];
  secure = await startDaemon({ components: [files], flags });
}, 600_000);
afterAll(async () => {
  await plain?.[Symbol.asyncDispose]();
  await secure?.[Symbol.asyncDispose]();
  made?.remove();
  rmSync(folder, { recursive: true, force: true });
});

for (const scheme of ["http", "https"] as const) {
  describe(`by ${scheme}`, () => {
    const base = (): string =>
      scheme === "http"
        ? `http://127.0.0.1:${plain.httpPort}`
        : `https://localhost:${secure.httpPort}`;

    test("curl: GET, POST, a body of 1 MiB, a header of 12 KiB", async () => {
      const http2 =
        scheme === "http" ? ["--http2-prior-knowledge"] : ["--http2", "--cacert", made.caPath];
      const curl = async (path: string, ...args: string[]): Promise<string> => {
        const report = ["-sS", "-w", "\n%{http_version} %{http_code}", ...http2];
        const { stdout } = await run("curl", [...report, ...args, `${base()}${path}`], {
          maxBuffer: 64 << 20,
        });
        return stdout;
      };
      expect(await curl("/v1.0/healthz")).toBe("\n2 204");
      expect(await curl("/v1.0/metadata")).toMatch(/"files".*\n2 200$/s);
      const invoke = (body: string, ...args: string[]): Promise<string> => {
        const file = join(folder, "request.json");
        writeFileSync(file, body);
        return curl("/v1.0/bindings/files", "--data-binary", `@${file}`, ...args);
      };
      const data = "grüße ".repeat(150_000);
      const metadata = { fileName: `curl-${scheme}.txt` };
      const created = await invoke(JSON.stringify({ operation: "create", data, metadata }));
      expect(created).toMatch(/\n2 200$/);
      const get = JSON.stringify({ operation: "get", metadata });
      const got = await invoke(get, "-H", `x-long: ${"x".repeat(12 * 1024)}`);
      expect(got).toBe(`${data}\n2 200`);
      const wrong = await invoke(JSON.stringify({ operation: "sing" }));
      expect(wrong).toMatch(/ERR_INVOKE_OUTPUT_BINDING.*\n2 [45]\d\d$/s);
      // A body of unknown length.
      const chunked = await invoke(get, "-H", "Transfer-Encoding: chunked");
      expect(chunked).toBe(`${data}\n2 200`);
    });

    test("nghttp: trailers, CONTINUATION, many streams, small windows", async () => {
      const nghttp = async (...args: string[]): Promise<string> => {
        const { stdout } = await run("nghttp", ["-v", "-y", ...args], {
          maxBuffer: 64 << 20,
        });
        return stdout;
      };
      const path = `${base()}/v1.0/bindings/files`;
      const healthz = `${base()}/v1.0/healthz`;
      expect(await nghttp("-n", healthz)).toContain(":status: 204");
      const long = ["-H", `x-long: ${"x".repeat(10 * 1024)}`];
      // More headers than are taken, in HEADERS and CONTINUATION.
      const continued = await nghttp("-n", "--continuation", healthz);
      expect(continued).toContain(":status: 431");
      expect(await nghttp("-n", ...long, healthz)).toContain(":status: 204");
      const body = join(folder, "list.json");
      writeFileSync(body, JSON.stringify({ operation: "list" }));
      const trailed = ["-H", ":method: POST", "-d", body, "--trailer", "x-sum: 17"];
      const listed = await nghttp("-n", ...trailed, path);
      expect(listed).toContain(":status: 200");
      const small = await nghttp(
        "-n",
        "-m",
        "50",
        "-w",
        "10",
        "-W",
        "10",
        `${base()}/v1.0/metadata`,
      );
      expect(small.match(/:status: 200/g)?.length).toBe(50);
      // What an old client asks for by the way is served in HTTP/2 or HTTP/1.1, never refused.
      for (const all of [continued, listed, small]) expect(all).not.toMatch(/PROTOCOL_ERROR/);
    });

    test("h2load: JSON and gRPC, 20,000 calls of each", { timeout: 120_000 }, async () => {
      const body = join(folder, "get.json");
      const load = join(folder, "loaded.txt");
      writeFileSync(load, "x".repeat(1024));
      const metadata = { fileName: "loaded.txt" };
      writeFileSync(body, JSON.stringify({ operation: "get", metadata }));
      const h2load = async (...args: string[]): Promise<string> => {
        const { stdout } = await run("h2load", ["-n", "20000", "-c", "10", "-m", "20", ...args]);
        return stdout;
      };
      const all = "20000 total, 20000 started, 20000 done, 20000 succeeded, 0 failed, 0 errored";
      expect(await h2load("-d", body, `${base()}/v1.0/bindings/files`)).toContain(all);
      const message = toBinary(
        InvokeBindingRequestSchema,
        create(InvokeBindingRequestSchema, { name: "files", operation: "get", metadata }),
      );
      const prefix = Buffer.alloc(5);
      prefix.writeUInt32BE(message.length, 1);
      const frame = join(folder, "get.frame");
      writeFileSync(frame, Buffer.concat([prefix, message]));
      const path = `${base()}/dapr.proto.runtime.v1.Dapr/InvokeBinding`;
      const headers = ["-H", "content-type: application/grpc", "-H", "te: trailers"];
      const said = await h2load("-d", frame, ...headers, path);
      expect(said).toContain(all);
      expect(said).toContain("status codes: 20000 2xx, 0 3xx, 0 4xx, 0 5xx");
    });
  });
}

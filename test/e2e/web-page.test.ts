import { existsSync } from "node:fs";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { once } from "node:events";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startServing } from "../cli/serving.ts";
import { component, folder } from "../resources/folder.ts";
import { releasePort, reservePort } from "../servers/ports.ts";

async function status(
  port: number,
  method: string,
  path: string,
  headers: Record<string, string>,
  body = "",
): Promise<number> {
  const request = httpRequest({ host: "127.0.0.1", port, method, path, headers, agent: false });
  const answered = once(request, "response") as Promise<[IncomingMessage]>;
  request.end(body);
  const [response] = await answered;
  response.resume();
  return response.statusCode ?? 0;
}

test("a web page of another site writes no file, reads nothing and ends nothing; --allow-origin lets one in", async () => {
  const files = folder({});
  const metrics = await reservePort();
  const { command, http, grpc } = await startServing(
    {
      "files.yaml": component(
        "files",
        "bindings.localstorage",
        `- {name: rootPath, value: ${files}}`,
      ),
    },
    [
      ...["--enable-metrics=true", "--metrics-port", String(metrics)],
      ...["--allow-origin", "https://shop.example", "--allowed-hosts", "sidecar"],
    ],
  );
  const write = JSON.stringify({ operation: "create", data: "x", metadata: { fileName: "a" } });
  const marks: Record<string, string>[] = [
    { origin: "http://evil.example" },
    { origin: "null" },
    { origin: `http://localhost:${http + 1}` },
    { "sec-fetch-site": "cross-site" },
    { host: "evil.example" },
  ];
  for (const port of [http, grpc]) {
    for (const mark of marks) {
      const headers = { "content-type": "text/plain", ...mark };
      expect(await status(port, "POST", "/v1.0/bindings/files", headers, write)).toBe(403);
      expect(await status(port, "POST", "/v1.0/shutdown", headers)).toBe(403);
    }
  }
  expect(await status(metrics, "GET", "/metrics", { host: "evil.example" })).toBe(403);
  expect(await status(metrics, "GET", "/metrics", { host: "sidecar:9090" })).toBe(200);
  expect(existsSync(join(files, "a"))).toBe(false);
  expect(command.stdout).not.toContain("shutting down");
  expect(command.stdout.match(/WARN .*--allow-origin http:\/\/evil\.example/g)).toHaveLength(1);

  const shop = { origin: "https://shop.example", "sec-fetch-site": "cross-site", host: "sidecar" };
  const asks = { ...shop, "access-control-request-method": "POST" };
  expect(await status(http, "OPTIONS", "/v1.0/bindings/files", asks)).toBe(204);
  expect(await status(http, "POST", "/v1.0/bindings/files", shop, write)).toBe(200);
  expect(existsSync(join(files, "a"))).toBe(true);
  expect(await status(http, "POST", "/v1.0/shutdown", {})).toBe(204);
  expect(await command.exited).toBe(0);
  await releasePort(metrics);
});

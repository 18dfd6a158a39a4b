import { expect, test } from "vitest";
import { cufflinkHere } from "./in-process.ts";

test("says every wrong flag at once", async () => {
  const { code, stderr } = await cufflinkHere([
    ...["scaler", "--port", "http", "--tls-cert", "cert.pem", "--log-level", "loud"],
  ]);
  expect(code).toBe(2);
  for (const text of [
    "--app-id is missing",
    '--port "http"',
    "--tls-key",
    "loud",
    "--resources-path",
  ])
    expect(stderr).toContain(text);
});

test("a port that is taken is told as that", async () => {
  const { createServer } = await import("node:net");
  const taken = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => taken.once("listening", resolve));
  const address = taken.address();
  const port = address !== null && typeof address === "object" ? address.port : 0;
  try {
    const flags = ["--app-id", "shop", "--resources-path", import.meta.dirname];
    const { code, stderr } = await cufflinkHere([
      ...["scaler", ...flags, "--port", String(port), "--listen-addresses", "127.0.0.1"],
    ]);
    expect(code).toBe(69);
    expect(stderr).toContain("--port");
  } finally {
    taken.close();
  }
});

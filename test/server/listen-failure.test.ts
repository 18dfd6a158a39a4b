import { createServer } from "node:net";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { listenFailure } from "../../src/server/listen-failure.ts";
import { bind } from "../../src/server/listener.ts";
import { folder } from "../resources/folder.ts";

const flags = { place: "--dapr-http-port", host: "--dapr-listen-addresses" };

test("a port that is taken names the flag for another one", async () => {
  const holder = createServer().listen(0, "127.0.0.1");
  onTestFinished(() => void holder.close());
  await once(holder, "listening");
  const { port } = holder.address() as AddressInfo;
  await expect(bind(createServer(), { host: "127.0.0.1", port, flags })).rejects.toThrow(
    `cannot listen on 127.0.0.1:${port}: another process listens there; end it, or choose another port by --dapr-http-port`,
  );
});

test("a path that is too long for a socket says how long it may be", async () => {
  const socket = join(folder({}), "a".repeat(120));
  await expect(
    bind(createServer(), { socket, flags: { place: "--unix-domain-socket" } }),
  ).rejects.toThrow(
    `its path has ${socket.length} bytes, and a socket's may have 107; choose another folder by --unix-domain-socket`,
  );
});

test.each([
  ["EACCES", { host: "::", port: 80 }, "[::]:80: this process has no right to a port below 1024"],
  ["EADDRNOTAVAIL", { host: "10.1.2.3", port: 80 }, "another address by --dapr-listen-addresses"],
  ["ENOTFOUND", { host: "nosuch", port: 80 }, "no address of the name nosuch was found"],
  ["EMFILE", { host: "::", port: 80 }, "told; choose another port by --dapr-http-port"],
])("%s says what to do", (code, place, text) => {
  const error = Object.assign(new Error("told"), { code });
  expect(listenFailure({ ...place, flags }, error)).toMatchObject({
    reason: "unavailable",
    message: expect.stringContaining(text) as string,
  });
});

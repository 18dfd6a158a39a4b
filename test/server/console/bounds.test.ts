import { connect, type Socket } from "node:net";
import { once } from "node:events";
import { expect, onTestFinished, test } from "vitest";
import { MemoryBudget } from "../../../src/memory/budget.ts";
import { until } from "../../until.ts";
import { spec } from "../serve.ts";
import { consoleOf, tokens } from "./console.ts";

const operations = "/rpc/0/cufflink.v1.Operations";
const token = `authorization: Bearer ${tokens.full}`;

async function open(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  socket.on("error", () => undefined);
  await once(socket, "connect");
  return socket;
}

test("a body that is too large is refused before it has come whole", async () => {
  const memory = new MemoryBudget();
  const { ask } = await consoleOf({ maxBodySize: 64 * 1024, memory });
  const body = JSON.stringify({ name: "x".repeat(128 * 1024) });
  const answer = await ask(`${operations}/PauseComponent`, { token: tokens.full, body });
  expect(answer.text).toContain("resource_exhausted");
  expect(answer.text).toContain("--max-body-size");
  // Without a token nothing of it is read.
  const stranger = await ask(`${operations}/PauseComponent`, { body });
  expect(stranger.text).toContain("unauthenticated");
  await until(() => memory.used === 0, { what: "nothing is held any more" });
});

test("connections over the limit are closed, and the others go on", async () => {
  const { console, ask } = await consoleOf();
  const sockets = await Promise.all(Array.from({ length: 300 }, () => open(console.port)));
  await until(
    () => sockets.filter(({ destroyed, readableEnded }) => destroyed || readableEnded).length >= 44,
    {
      what: "those over 256 are closed",
    },
  );
  for (const socket of sockets.slice(0, 100)) socket.destroy();
  await until(
    async () => {
      const answer = await ask("/session", { token: tokens.full }).catch(() => undefined);
      return answer?.status === 200;
    },
    { what: "there is room again" },
  );
});

test("half a request holds nothing but its connection, and ends with the console", async () => {
  const memory = new MemoryBudget();
  const { console } = await consoleOf({ memory });
  for (const half of [
    "GET / HT",
    `POST ${operations}/PauseComponent HTTP/1.1\r\nhost: localhost\r\n${token}\r\n`,
    `POST ${operations}/PauseComponent HTTP/1.1\r\nhost: localhost\r\n${token}\r\ncontent-type: application/json\r\ncontent-length: 4000000\r\n\r\n{`,
  ]) {
    const socket = await open(console.port);
    socket.write(half);
  }
  const held = memory.used;
  expect(held).toBeLessThan(64 * 1024);
  await console.close(0);
  await until(() => memory.used === 0, { what: "nothing is held any more" });
});

test("a reader who has stopped gets no more, and what waits for him is bounded", async () => {
  const memory = new MemoryBudget();
  const { console, served, ask } = await consoleOf({ memory });
  const socket = await open(console.port);
  const body = Buffer.from('{"interval":"0.250s"}');
  const envelope = Buffer.concat([Buffer.from([0, 0, 0, 0, body.length]), body]);
  socket.write(
    `POST ${operations}/WatchComponents HTTP/1.1\r\nhost: localhost\r\n${token}\r\ncontent-type: application/connect+json\r\ncontent-length: ${envelope.length}\r\n\r\n`,
  );
  socket.write(envelope);
  await once(socket, "readable");
  socket.pause();
  const name = "n".repeat(200);
  const heapBefore = process.memoryUsage().heapUsed;
  // Each round is some 200 kB to a reader who reads.
  for (let round = 0; round < 6; round++) {
    await served.runtime.apply(
      Array.from({ length: 300 }, (_, index) => spec(`${name}-${round}-${index}`)),
    );
  }
  const answer = await ask("/session", { token: tokens.full });
  expect(answer.status).toBe(200);
  expect(memory.used).toBeLessThan(4 * 1024 * 1024);
  expect(process.memoryUsage().heapUsed - heapBefore).toBeLessThan(100 * 1024 * 1024);
});

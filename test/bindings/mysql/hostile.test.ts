// Servers that ask for more than they should have, or send what no server sends.
import { expect, onTestFinished, test } from "vitest";
import mysql from "../../../src/bindings/mysql/index.ts";
import { openOutput } from "../opened-output.ts";
import { okPacket, packet, startStandIn, switchPacket } from "./stand-in.ts";

const query = 0x03;

/** Opens a component at a server that answers a statement with these packets. */
async function against(answer: (number: number) => Buffer, parameters = "?readTimeout=2s") {
  const server = await startStandIn((payload, number) => {
    const isStatement = payload[0] === query && payload.includes("SELECT 'mine'");
    return isStatement ? answer(number) : okPacket(number);
  });
  const url = `shop:secret@tcp(${server.host}:${server.port})/shop${parameters}`;
  const db = await openOutput(mysql, { url });
  onTestFinished(() => db[Symbol.asyncDispose]());
  return { ...server, db };
}

test("a server that asks for a file gets none, whether or not the URL allows it", async () => {
  for (const parameters of ["", "?allowAllFiles=true"]) {
    const { db, received } = await against(
      (number) => packet(number, Buffer.from("\u00fb/etc/passwd", "latin1")),
      parameters,
    );
    await expect(db.invoke("query", { sql: "SELECT 'mine'" })).rejects.toMatchObject({
      ...{ reason: "permission_denied", effect: "rejected" },
      message: "error executing query: local file '/etc/passwd' is not registered",
    });
    const at = received.findIndex((one) => one.includes("SELECT 'mine'"));
    expect(received[at + 1]).toEqual(Buffer.alloc(0));
    expect(Buffer.concat(received).toString("latin1")).not.toContain("root:");
  }
});

test("a password is sent in clear only where the URL allows it", async () => {
  const server = await startStandIn((_, number) =>
    number === 2 ? switchPacket(number, "mysql_clear_password") : okPacket(number),
  );
  const url = `shop:opensesame@tcp(${server.host}:${server.port})/shop`;
  await expect(openOutput(mysql, { url })).rejects.toThrow(/clear/);
  expect(Buffer.concat(server.received).toString("latin1")).not.toContain("opensesame");
  const db = await openOutput(mysql, { url: `${url}?allowCleartextPasswords=true` });
  await db[Symbol.asyncDispose]();
  expect(Buffer.concat(server.received).toString("latin1")).toContain("opensesame");
});

const column = Buffer.from(
  "\u0003def\u0000\u0000\u0000\u0001a\u0000\u000c-\0\u0000\u0000\u0000\u0000\u0003\u0000\u0000\u0000\u0000\u0000",
  "latin1",
);
const end = Buffer.of(0xfe, 0, 0, 2, 0);

test.each([
  ["an empty packet", [Buffer.alloc(0)]],
  ["a column that is cut off", [Buffer.of(1), column.subarray(0, 9)]],
  [
    "a column whose name is longer than the packet",
    [Buffer.of(1), Buffer.of(3, 100, 101, 102, 0xfe, 255, 255)],
  ],
  ["fewer columns than it said", [Buffer.of(3), column, end]],
  ["more columns than there can be", [Buffer.from("feffffffffffffff7f", "hex"), column, end]],
  ["a row that is cut off", [Buffer.of(1), column, end, Buffer.of(9, 49)]],
  [
    "a row whose value is as long as memory",
    [Buffer.of(1), column, end, Buffer.from("feffffffffffff7f0031", "hex")],
  ],
  ["a number that is none", [Buffer.of(1), column, end, Buffer.from("\u0003abc")]],
])("%s fails the call alone", async (_, payloads) => {
  const { db } = await against((number) =>
    Buffer.concat(payloads.map((payload, at) => packet(number + at, payload))),
  );
  const failed = db.invoke("query", { sql: "SELECT 'mine'" });
  await expect(failed).rejects.toMatchObject({ reason: "unavailable", effect: "ambiguous" });
  expect(await db.invoke("exec", { sql: "SELECT 'other'" })).toBeDefined();
});

test("a server that never makes the session ready is not waited for", async () => {
  const server = await startStandIn((_, number) => (number === 2 ? okPacket(number) : undefined));
  const url = `shop:secret@tcp(${server.host}:${server.port})/shop?timeout=200ms`;
  await expect(openOutput(mysql, { url })).rejects.toMatchObject({
    ...{ reason: "unavailable", effect: "unsent" },
    message: "unable to ping the DB: no connection within 200 ms",
  });
});

test("what speaks another protocol is told", async () => {
  const { startLoopback } = await import("../http/loopback-server.ts");
  const other = await startLoopback();
  onTestFinished(() => other[Symbol.asyncDispose]());
  const url = `shop:secret@tcp(127.0.0.1:${other.port})/shop?timeout=300ms`;
  await expect(openOutput(mysql, { url })).rejects.toMatchObject({
    ...{ reason: "unavailable", effect: "unsent" },
    message: expect.stringContaining("unable to ping the DB"),
  });
});

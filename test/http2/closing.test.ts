import net from "node:net";
import { afterEach, describe, expect, test, vi } from "vitest";
import { Http2ClientConnection } from "../../src/http2/client-connection.ts";
import { ErrorCode } from "../../src/http2/error-code.ts";
import { largestWindow } from "../../src/http2/frame.ts";
import { connectedPair, okHead, requestHead, Told, type Pair, until } from "./pair.ts";

let pair: Pair | undefined;

async function connect(): Promise<Pair> {
  pair = await connectedPair();
  return pair;
}

afterEach(async () => {
  await pair?.close();
  pair = undefined;
});

describe("a server that closes", () => {
  test("says so twice, lets calls end, and then ends the connection", async () => {
    const { client, server, taken, goaways, closed } = await connect();
    const told = new Told();
    client.request(requestHead(), Buffer.from("?"), told);
    await until(() => expect(taken[0]?.told.isEnded).toBe(true));
    server.close();
    await until(() => expect(goaways).toEqual([largestWindow, 1]));
    expect(client.isGoingAway).toBe(true);
    expect(() => client.open(requestHead(), new Told())).toThrow("no more streams");
    taken[0]?.stream.sendWhole(okHead, Buffer.from("last"));
    await until(() => expect(told.closes).toBe(1));
    expect(told.body.toString()).toBe("last");
    await until(() => expect(Object.keys(closed)).toHaveLength(2));
  });

  test("without calls ends the connection after a round trip", async () => {
    const { server, closed } = await connect();
    server.close();
    await until(() => expect(Object.keys(closed)).toHaveLength(2));
  });

  test("takes a call that was on its way when it began to close", async () => {
    const { client, server, taken, closed } = await connect();
    const told = new Told();
    client.request(requestHead(), Buffer.from("?"), told);
    server.close();
    await until(() => expect(taken[0]?.told.isEnded).toBe(true));
    taken[0]?.stream.sendWhole(okHead, Buffer.from("taken"));
    await until(() => expect(told.body.toString()).toBe("taken"));
    await until(() => expect(Object.keys(closed)).toHaveLength(2));
  });
});

describe("a connection that is destroyed", () => {
  test("tells each stream once, and why", async () => {
    const { client, server, taken, closed } = await connect();
    const tolds = Array.from({ length: 10 }, () => new Told());
    for (const told of tolds) client.open(requestHead(), told);
    await until(() => expect(taken.length).toBe(10));
    server.destroy(ErrorCode.enhanceYourCalm, "as a test");
    for (const { told } of taken)
      expect(told).toMatchObject({ closes: 1, reset: { by: "connection" } });
    await until(() => expect(Object.keys(closed)).toHaveLength(2));
    for (const told of tolds) expect(told.closes).toBe(1);
    expect(server.held).toBe(0);
  });

  test("by a socket that breaks, too", async () => {
    const { client, server, taken, closed } = await connect();
    const told = new Told();
    client.open(requestHead(), told);
    await until(() => expect(taken.length).toBe(1));
    (server.socket as net.Socket).resetAndDestroy();
    await until(() => expect(Object.keys(closed)).toHaveLength(2));
    expect(told.reset).toMatchObject({ by: "connection", isUnprocessed: false });
  });
});

test("streams above the last one of a GOAWAY are told as not processed, the others go on", async () => {
  const { client, taken } = await connect();
  const tolds = [new Told(), new Told()];
  for (const told of tolds) client.open(requestHead(), told);
  await until(() => expect(taken.length).toBe(2));
  // GOAWAY with the last stream 1.
  const frame = Buffer.from([0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
  pair?.server.socket.write(frame);
  await until(() => expect(tolds[1]?.closes).toBe(1));
  expect(tolds[1]?.reset).toMatchObject({ isUnprocessed: true });
  taken[0]?.stream.endEarly();
  taken[0]?.stream.sendHeaders(okHead, true);
  expect(tolds[0]?.closes).toBe(0);
});

test("a server that speaks HTTP/1.1 is named as such", async () => {
  const listener = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.end("HTTP/1.1 400 Bad Request\r\n\r\n");
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const { port } = listener.address() as net.AddressInfo;
  const closed = Promise.withResolvers<string>();
  const client = new Http2ClientConnection(net.connect(port, "127.0.0.1"), {
    onReady: () => closed.resolve("ready"),
    onClosed: closed.resolve,
  });
  const reason = await closed.promise;
  expect(client.isClosed).toBe(true);
  expect(reason).toContain("HTTP/1.1");
  listener.close();
});

test("a ping is answered, on both sides", async () => {
  const { client, server } = await connect();
  const answered = vi.fn();
  client.ping(answered);
  server.ping(answered);
  await until(() => expect(answered).toHaveBeenCalledTimes(2));
});

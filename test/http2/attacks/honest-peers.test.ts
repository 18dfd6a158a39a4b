// The limits on floods do not meet peers that send much and say much about it.
import { expect, test } from "vitest";
import { mostIdleFrames } from "../../../src/http2/limits.ts";
import * as raw from "../raw-frames.ts";
import { RawPeer } from "../raw-peer.ts";
import { serve } from "../served.ts";

const many = 2 * mostIdleFrames;

test("a PING for each frame of data, as gRPC for Go sends them to measure the round trip", async () => {
  await using served = await serve();
  using peer = await RawPeer.connect(served.port);
  await peer.send(raw.headers(1, raw.requestBlock("/x"), false));
  const some = raw.repeated(Buffer.concat([raw.data(1, Buffer.alloc(100)), raw.ping("bdp")]), 1000);
  for (let sent = 0; sent < many; sent += 1000) {
    await peer.send(some);
    await peer.until(() => peer.count(raw.Type.ping) + 2000 > sent, "answers to PING");
  }
  await peer.send(raw.data(1, "", true));
  await peer.ended(1);
  expect(served.requests[0]?.bytes).toBe(many * 100);
});

test("a WINDOW_UPDATE for each frame of a long answer, for the stream and for the connection", async () => {
  await using served = await serve();
  using peer = await RawPeer.connect(served.port, { forgetsData: true });
  const bytes = 24 * 1024 * 1024;
  await peer.send(raw.headers(1, raw.requestBlock(`/bytes/${bytes}`)));
  let told = 0;
  // In steps of a thousand bytes: 50,000 of them.
  while (told < bytes) {
    await peer.until(() => peer.dataBytes > told, "data");
    const frames: Buffer[] = [];
    for (; told < peer.dataBytes; told += 1000)
      frames.push(raw.windowUpdate(0, 1000), raw.windowUpdate(1, 1000));
    await peer.send(...frames);
  }
  await peer.ended(1);
  expect(peer.count(raw.Type.goaway)).toBe(0);
});

test("many short calls with a PING, SETTINGS and a PRIORITY between them", async () => {
  await using served = await serve();
  using peer = await RawPeer.connect(served.port);
  const head = raw.requestBlock("/x");
  const calls = 5000;
  for (let at = 0; at < calls; at += 500) {
    const frames: Buffer[] = [];
    for (let more = at; more < at + 500; more++)
      frames.push(raw.headers(1 + 2 * more, head), raw.ping("x"));
    await peer.send(...frames, raw.settings(), raw.priority(1, 3));
    await peer.ended(1 + 2 * (at + 499));
  }
  expect(served.requests).toHaveLength(calls);
  expect(peer.count(raw.Type.goaway)).toBe(0);
});

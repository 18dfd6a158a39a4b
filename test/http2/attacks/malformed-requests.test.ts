// RFC 9113, section 8: what is no request. None of it is seen by anybody, and the connection goes on.
import { expect, test } from "vitest";
import { ErrorCode } from "../../../src/http2/error-code.ts";
import * as raw from "../raw-frames.ts";
import { RawPeer } from "../raw-peer.ts";
import { serve } from "../served.ts";

const pseudo = [":method", "POST", ":scheme", "http", ":path", "/", ":authority", "localhost"];

/** All pseudo-headers, with one of another value or, without one, left out. */
function but(name: string, value?: string): string[] {
  const kept: string[] = [];
  for (let at = 0; at < pseudo.length; at += 2) {
    if (pseudo[at] !== name) kept.push(pseudo[at] as string, pseudo[at + 1] as string);
    else if (value !== undefined) kept.push(name, value);
  }
  return kept;
}

const heads: readonly [string, readonly string[]][] = [
  ["an upper-case name", [...pseudo, "Name", "x"]],
  ["an empty name", [...pseudo, "", "x"]],
  ["a blank in a name", [...pseudo, "na me", "x"]],
  ["a colon in a name", [...pseudo, "na:me", "x"]],
  ["a control in a name", [...pseudo, "na\u0001me", "x"]],
  ["a line's end in a name", [...pseudo, "na\r\nme", "x"]],
  ["DEL in a name", [...pseudo, "na\u007fme", "x"]],
  ["a byte above ASCII in a name", [...pseudo, "n\u00e4me", "x"]],
  ["CR in a value", [...pseudo, "name", "a\rb"]],
  ["LF in a value", [...pseudo, "name", "a\nb"]],
  ["NUL in a value", [...pseudo, "name", "a\0b"]],
  ["a blank before a value", [...pseudo, "name", " x"]],
  ["a blank behind a value", [...pseudo, "name", "x "]],
  ["a tab before a value", [...pseudo, "name", "\tx"]],
  ["a tab behind a value", [...pseudo, "name", "x\t"]],
  ["connection", [...pseudo, "connection", "close"]],
  ["keep-alive", [...pseudo, "keep-alive", "timeout=1"]],
  ["proxy-connection", [...pseudo, "proxy-connection", "close"]],
  ["transfer-encoding", [...pseudo, "transfer-encoding", "chunked"]],
  ["upgrade", [...pseudo, "upgrade", "h2c"]],
  ["te that is more than trailers", [...pseudo, "te", "trailers, deflate"]],
  ["te that is not trailers", [...pseudo, "te", "gzip"]],
  [":method twice", [...pseudo, ":method", "GET"]],
  [":path twice", [":path", "/other", ...pseudo]],
  [":scheme twice", [":scheme", "http", ...pseudo]],
  [":authority twice", [":authority", "other", ...pseudo]],
  ["no :method", but(":method")],
  ["no :scheme", but(":scheme")],
  ["no :path", but(":path")],
  ["neither :authority nor host", but(":authority")],
  ["an empty :method", but(":method", "")],
  ["an empty :scheme", but(":scheme", "")],
  ["an empty :path", but(":path", "")],
  ["a blank in :method", but(":method", "PO ST")],
  ["a blank in :path", but(":path", "/a b")],
  ["a control in :path", but(":path", "/a\u0001b")],
  ["a line's end in :path", but(":path", "/ HTTP/1.1\r\nx: y")],
  ["DEL in :path", but(":path", "/\u007f")],
  ["a :path without its slash", but(":path", "a")],
  ["a :path of an asterisk without OPTIONS", but(":path", "*")],
  ["a blank in :authority", but(":authority", "local host")],
  ["a user in :authority", but(":authority", "user@localhost")],
  ["a path in :authority", but(":authority", "localhost/x")],
  ["a pseudo-header behind a header", [...but(":path"), "name", "x", ":path", "/"]],
  [":status of a request", [...pseudo, ":status", "200"]],
  ["an unknown pseudo-header", [...pseudo, ":name", "x"]],
  [":protocol, which is not offered", [":protocol", "websocket", ...pseudo]],
  ["host unlike :authority", [...pseudo, "host", "other"]],
  ["host twice", [...but(":authority"), "host", "localhost", "host", "other"]],
  ["CONNECT with a :path", but(":method", "CONNECT")],
  ["content-length that is no number", [...pseudo, "content-length", "x"]],
  ["content-length with a sign", [...pseudo, "content-length", "+1"]],
  ["content-length below nothing", [...pseudo, "content-length", "-1"]],
  ["content-length with a list of two", [...pseudo, "content-length", "1, 2"]],
  ["content-length twice, and unlike", [...pseudo, "content-length", "1", "content-length", "2"]],
  ["content-length twice", [...pseudo, "content-length", "0", "content-length", "0"]],
  ["content-length above all numbers", [...pseudo, "content-length", "9".repeat(30)]],
  ["content-length without a body", [...pseudo, "content-length", "1"]],
];

test("none of them reaches a listener, each is reset alone, and the connection goes on", async () => {
  await using served = await serve();
  using peer = await RawPeer.connect(served.port);
  const codes: [string, unknown][] = [];
  let stream = 1;
  for (const [title, fields] of heads) {
    await peer.send(
      raw.headers(stream, Buffer.concat([raw.block(...fields), raw.hpackInserted("kept", title)])),
    );
    const reset = peer.resetOf(stream);
    const seen = peer.ended(stream).then(() => "taken");
    codes.push([title, await Promise.race([reset, seen])]);
    // What it inserted into the table is there, though it was refused.
    const good = Buffer.concat([raw.requestBlock("/good"), raw.hpackIndexed(62)]);
    await peer.send(raw.headers(stream + 2, good));
    await peer.ended(stream + 2);
    expect(served.requests.at(-1)?.head.get("kept")).toBe(title);
    stream += 4;
  }
  expect(codes).toEqual(heads.map(([title]) => [title, ErrorCode.protocolError]));
  expect(served.requests).toHaveLength(heads.length);
});

const good: readonly [string, readonly string[]][] = [
  ["te: trailers", [...pseudo, "te", "trailers"]],
  ["host like :authority", [...pseudo, "host", "localhost"]],
  ["host alone", [...but(":authority"), "host", "localhost"]],
  ["an empty value", [...pseudo, "name", ""]],
  ["a blank and a tab within a value", [...pseudo, "name", "a b\tc"]],
  ["bytes above ASCII in a value", [...pseudo, "name", "\u00e4"]],
  ["every mark that a name may have", [...pseudo, "!#$%&'*+-.^_`|~09az", "x"]],
  ["OPTIONS of all", [":method", "OPTIONS", ":scheme", "http", ":path", "*", ":authority", "x"]],
  ["bytes above ASCII and a fragment in :path", but(":path", "/\u00e4#b")],
  ["a query", but(":path", "/a?b=c%20d")],
  ["content-length of nothing", [...pseudo, "content-length", "0"]],
  [
    "pseudo-headers in another order",
    [":path", "/", ":authority", "x", ":scheme", "https", ":method", "GET"],
  ],
];

test.each(good)("%s is taken", async (_, fields) => {
  await using served = await serve();
  using peer = await RawPeer.connect(served.port);
  await peer.send(raw.headers(1, raw.block(...fields)));
  const isReset = (): boolean => peer.count(raw.Type.reset) > 0;
  await peer.until(() => peer.hasEnded(1) || isReset(), "an answer");
  expect(peer.count(raw.Type.reset)).toBe(0);
  expect(served.requests).toHaveLength(1);
});

const bodies: readonly [string, readonly Buffer[]][] = [
  ["a body longer than it said", [raw.data(1, "abc", true)]],
  ["a body longer than it said, in parts", [raw.data(1, "a"), raw.data(1, "bc")]],
  ["a body shorter than it said", [raw.data(1, "a", true)]],
  [
    "a body shorter than it said, ended by trailers",
    [raw.data(1, "a"), raw.headers(1, raw.block("x", "1"))],
  ],
];

test.each(bodies)("%s is an error of the stream", async (_, frames) => {
  await using served = await serve();
  using peer = await RawPeer.connect(served.port);
  await peer.send(raw.headers(1, raw.requestBlock("/x", "content-length", "2"), false), ...frames);
  expect(await peer.resetOf(1)).toBe(ErrorCode.protocolError);
  await peer.roundTrip();
  expect(served.requests[0]).toMatchObject({ ended: false, closed: true, reset: { by: "local" } });
  expect(served.requests[0]?.bytes).toBeLessThanOrEqual(2);
});

test("a body as long as it said is taken", async () => {
  await using served = await serve();
  using peer = await RawPeer.connect(served.port);
  await peer.send(
    raw.headers(1, raw.requestBlock("/x", "content-length", "2"), false),
    ...[raw.data(1, "a"), raw.data(1, ""), raw.data(1, "b"), raw.headers(1, raw.block("x", "1"))],
  );
  await peer.ended(1);
  expect(served.requests[0]).toMatchObject({ ended: true, bytes: 2 });
  expect(served.requests[0]?.trailers?.get("x")).toBe("1");
});

const trailers: readonly [string, readonly string[]][] = [
  ["a pseudo-header", [":path", "/"]],
  ["an upper-case name", ["X", "1"]],
  ["CR in a value", ["x", "a\rb"]],
  ["a connection header", ["connection", "close"]],
];

test.each(trailers)("trailers with %s are an error of the stream", async (_, fields) => {
  await using served = await serve();
  using peer = await RawPeer.connect(served.port);
  await peer.send(
    raw.headers(1, raw.requestBlock("/x"), false),
    raw.headers(1, raw.block(...fields)),
  );
  expect(await peer.resetOf(1)).toBe(ErrorCode.protocolError);
  expect(served.requests[0]).toMatchObject({ ended: false, closed: true });
});

test("cookies are joined, others by commas", async () => {
  await using served = await serve();
  using peer = await RawPeer.connect(served.port);
  const fields = ["cookie", "a=1", "x", "1", "cookie", "b=2", "x", "2", "cookie", "c=3"];
  await peer.send(raw.headers(1, raw.requestBlock("/x", ...fields)));
  await peer.ended(1);
  expect(served.requests[0]?.head.get("cookie")).toBe("a=1; b=2; c=3");
  expect(served.requests[0]?.head.record["cookie"]).toBe("a=1; b=2; c=3");
  expect(served.requests[0]?.head.get("x")).toBe("1, 2");
});

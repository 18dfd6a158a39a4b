import { describe, expect, test } from "vitest";
import { HeaderBlock } from "../../src/http2/header-block.ts";
import { headerField, kindOfField, kindOfName } from "../../src/http2/header-field.ts";
import {
  checkRequest,
  checkResponse,
  checkTrailers,
  contentLength,
} from "../../src/http2/message-rules.ts";

/** `name=value` texts, split at the first "=". */
function block(text: string): HeaderBlock {
  const fields = text.split("|").map((field) => {
    const [name = ""] = field.split("=", 1);
    const value = field.slice(name.length + 1);
    return headerField(name, value, kindOfField(kindOfName(name), value));
  });
  return new HeaderBlock(fields, 0, false);
}

const get = ":method=GET|:scheme=http|:path=/";
const whole = `${get}|:authority=a`;

describe("requests", () => {
  test.for([
    ["gRPC", ":method=POST|:scheme=http|:path=/a.B/C|:authority=a:1|te=trailers|grpc-timeout=1S"],
    ["in another order", ":authority=a|:path=/|:method=GET|:scheme=https"],
    ["host instead of :authority", `${get}|host=a`],
    ["host as :authority", `${whole}|host=A`],
    ["cookies", `${whole}|cookie=a=1|cookie=b=2`],
    ["repeats", `${whole}|x-a=1|x-a=2`],
    ["content-length", `${whole}|content-length=5`],
    ["OPTIONS *", ":method=OPTIONS|:scheme=http|:path=*|:authority=a"],
  ] as const)("%s: fine", ([, text]) => {
    expect(checkRequest(block(text))).toBe(undefined);
  });

  test.for([
    ["no :method", ":scheme=http|:path=/|:authority=a", /missing/],
    ["no :scheme", ":method=GET|:path=/|:authority=a", /missing/],
    ["no :path", ":method=GET|:scheme=http|:authority=a", /missing/],
    ["neither :authority nor host", get, /neither/],
    ["two :method", `${whole}|:method=GET`, /two pseudo-headers :method/],
    ["two :path", `:path=/|${whole}`, /two pseudo-headers :path/],
    ["two :authority", `${whole}|:authority=a`, /two pseudo-headers :authority/],
    ["two :scheme", `${whole}|:scheme=http`, /two pseudo-headers :scheme/],
    ["a late pseudo-header", `${get}|x-a=1|:authority=a`, /behind/],
    ["one behind host", `${get}|host=a|:authority=a`, /behind/],
    ["one behind content-length", `${get}|content-length=1|:authority=a`, /behind/],
    ["one behind te", `${get}|te=trailers|:authority=a`, /behind/],
    ["one behind a cookie", `${get}|cookie=a|:authority=a`, /behind/],
    ["two late ones", `${get}|x-a=1|:path=/`, /behind/],
    ["an unknown one", `${whole}|:protocol=websocket`, /does not belong/],
    ["one of responses", `:status=200|${whole}`, /does not belong/],
    ["connection", `${whole}|connection=close`, /no header connection/],
    ["keep-alive", `${whole}|keep-alive=5`, /no header keep-alive/],
    ["proxy-connection", `${whole}|proxy-connection=close`, /no header proxy-connection/],
    ["transfer-encoding", `${whole}|transfer-encoding=chunked`, /no header transfer-encoding/],
    ["upgrade", `${whole}|upgrade=h2c`, /no header upgrade/],
    ["te but trailers", `${whole}|te=gzip`, /not allowed/],
    ["an upper-case name", `${whole}|X-a=1`, /"X-a"/],
    ["CR and LF in a value", `${whole}|x-a=1\r\nx-b: 2`, /"x-a"/],
    ["NUL in a value", `${whole}|x-a=1\0`, /"x-a"/],
    ["a blank around a value", `${whole}|x-a= 1`, /"x-a"/],
    ["an empty path", ":method=GET|:scheme=http|:path=|:authority=a", /":path"/],
    ["a path with a blank", ":method=GET|:scheme=http|:path=/a b|:authority=a", /":path"/],
    ["* of another method", ":method=GET|:scheme=http|:path=*|:authority=a", /OPTIONS/],
    ["host unlike :authority", `${whole}|host=b`, /unlike/],
    ["an empty host", `${get}|host=`, /"host"/],
    ["an empty :authority", `${get}|:authority=`, /":authority"/],
    ["two hosts", `${get}|host=a|host=a`, /two headers host/],
    [
      "the same content-length twice",
      `${whole}|content-length=5|content-length=5`,
      /content-length/,
    ],
    ["content-lengths that differ", `${whole}|content-length=5|content-length=6`, /content-length/],
    ["a content-length that is none", `${whole}|content-length=five`, /"content-length"/],
    ["CONNECT", ":method=CONNECT|:authority=a", /missing/],
    ["a CONNECT with all", ":method=CONNECT|:scheme=http|:path=/|:authority=a", /CONNECT/],
  ] as const)("%s: malformed", ([, text, reason]) => {
    expect(checkRequest(block(text))).toMatch(reason);
  });

  test("an empty one is malformed", () => {
    expect(checkRequest(new HeaderBlock([], 0, false))).toMatch(/missing/);
  });
});

describe("responses", () => {
  test.for([
    ["the status alone", ":status=200"],
    ["headers", ":status=404|content-type=a|set-cookie=a|content-length=0|x-a=1"],
    ["an informational one", ":status=103|link=</a>"],
  ] as const)("%s: fine", ([, text]) => {
    expect(checkResponse(block(text))).toBe(undefined);
  });

  test.for([
    ["no :status", "x-a=1", /:status/],
    ["a late :status", "x-a=1|:status=200", /:status/],
    ["two :status", ":status=200|:status=200", /:status/],
    [":status that is none", ":status=2xx", /":status"/],
    ["101", ":status=101", /101/],
    ["a pseudo-header of requests", ":status=200|:path=/", /:path/],
    ["connection", ":status=200|connection=close", /connection/],
    ["a malformed field", ":status=200|X=1", /"X"/],
    ["content-lengths that differ", ":status=200|content-length=1|content-length=2", /length/],
  ] as const)("%s: malformed", ([, text, reason]) => {
    expect(checkResponse(block(text))).toMatch(reason);
  });

  test("an empty one is malformed", () => {
    expect(checkResponse(new HeaderBlock([], 0, false))).toMatch(/:status/);
  });
});

describe("trailers", () => {
  test("no pseudo-headers, no connection headers, nothing malformed", () => {
    expect(checkTrailers(block("grpc-status=0|grpc-message="))).toBe(undefined);
    expect(checkTrailers(new HeaderBlock([], 0, false))).toBe(undefined);
    expect(checkTrailers(block(":status=200"))).toMatch(/:status/);
    expect(checkTrailers(block("grpc-status=0|:path=/"))).toMatch(/:path/);
    expect(checkTrailers(block("upgrade=h2c"))).toMatch(/upgrade/);
    expect(checkTrailers(block("x-a=a\nb"))).toMatch(/"x-a"/);
    expect(checkTrailers(block("grpc-status=0|content-length=5"))).toMatch(/behind the body/);
    expect(checkTrailers(block("grpc-status=0|host=a"))).toMatch(/host stands behind the body/);
  });
});

test("the content-length is a number", () => {
  expect(contentLength(block(`${whole}|content-length=0042`))).toBe(42);
  expect(contentLength(block(whole))).toBe(undefined);
});

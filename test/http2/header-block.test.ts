import { expect, test } from "vitest";
import { HeaderBlock } from "../../src/http2/header-block.ts";
import { FieldKind, headerField, kindOfField, kindOfName } from "../../src/http2/header-field.ts";

function block(...texts: readonly string[]): HeaderBlock {
  const fields = [];
  let size = 0;
  for (let index = 0; index < texts.length; index += 2) {
    const [name = "", value = ""] = texts.slice(index);
    fields.push(headerField(name, value, kindOfField(kindOfName(name), value)));
    size += name.length + value.length + 32;
  }
  return new HeaderBlock(fields, size, false);
}

const repeated = block(
  ...[":status", "200", "x-own", "1", "cookie", "a=1", "set-cookie", "b=1", "content-type", "a/b"],
  ...["x-own", "2", "cookie", "c=2", "set-cookie", "d=2", "content-type", "c/d", "x-own", ""],
  ...["__proto__", "x"],
);

test("the record is as Node makes it", () => {
  const { record } = repeated;
  expect(Object.getPrototypeOf(record)).toBe(null);
  expect({ ...record }).toEqual({
    ":status": "200",
    "x-own": "1, 2, ",
    cookie: "a=1; c=2",
    "set-cookie": ["b=1", "d=2"],
    "content-type": "a/b",
    ["__proto__"]: "x",
  });
  expect(repeated.record).toBe(record);
});

test("raw has the names and values as they came", () => {
  expect(block("x-own", "1", "x-b", "2", "x-own", "3").raw).toEqual([
    ...["x-own", "1", "x-b", "2", "x-own", "3"],
  ]);
  expect(repeated.raw).toBe(repeated.raw);
});

test("get joins as the record does", () => {
  expect(repeated.get("x-own")).toBe("1, 2, ");
  expect(repeated.get("cookie")).toBe("a=1; c=2");
  expect(repeated.get("set-cookie")).toBe("b=1, d=2");
  expect(repeated.get("content-type")).toBe("a/b");
  expect(repeated.get(":status")).toBe("200");
  expect(repeated.get("x-none")).toBe(undefined);
});

test.for([
  ["x-own", "a b", FieldKind.regular],
  ["x-own", "", FieldKind.regular],
  ["x-own", "é", FieldKind.regular],
  ["x-own", "a\tb", FieldKind.regular],
  ["!#$%&'*+-.^_`|~09az", "", FieldKind.regular],
  ["x-own", " a", FieldKind.malformed],
  ["x-own", "a\t", FieldKind.malformed],
  ["x-own", "\t", FieldKind.malformed],
  ["x-own", "a\r\nb", FieldKind.malformed],
  ["x-own", "a\0", FieldKind.malformed],
  ["X-own", "a", FieldKind.malformed],
  ["x own", "a", FieldKind.malformed],
  ["x:own", "a", FieldKind.malformed],
  ["x\u007f", "a", FieldKind.malformed],
  ["é", "a", FieldKind.malformed],
  ["", "a", FieldKind.malformed],
  [":", "a", FieldKind.malformed],
  ["::path", "a", FieldKind.malformed],
  [":Path", "/", FieldKind.malformed],
  [":protocol", "websocket", FieldKind.unknownPseudo],
  [":method", "M-SEARCH", FieldKind.method],
  [":method", "", FieldKind.malformed],
  [":method", "G T", FieldKind.malformed],
  [":scheme", "http", FieldKind.scheme],
  [":scheme", "", FieldKind.malformed],
  [":scheme", "ht tp", FieldKind.malformed],
  [":authority", "[::1]:80", FieldKind.authority],
  [":authority", "", FieldKind.malformed],
  [":authority", "user@host", FieldKind.malformed],
  [":authority", "a/b", FieldKind.malformed],
  [":authority", "a|b", FieldKind.malformed],
  [":path", "/a?b=%20", FieldKind.path],
  [":path", "*", FieldKind.path],
  [":path", "", FieldKind.malformed],
  [":path", "a", FieldKind.malformed],
  [":path", "*/", FieldKind.malformed],
  [":path", "/a b", FieldKind.malformed],
  [":path", "/a\tb", FieldKind.malformed],
  [":path", "/a\u007f", FieldKind.malformed],
  [":path", "http://a/", FieldKind.malformed],
  [":status", "200", FieldKind.status],
  [":status", "20", FieldKind.malformed],
  [":status", "2000", FieldKind.malformed],
  [":status", "099", FieldKind.malformed],
  ["te", "trailers", FieldKind.te],
  ["te", "Trailers", FieldKind.te],
  ["te", "trailers, gzip", FieldKind.malformed],
  ["host", "a:1", FieldKind.host],
  ["host", "a b", FieldKind.malformed],
  ["host", "", FieldKind.malformed],
  ["content-length", "0", FieldKind.contentLength],
  ["content-length", "-1", FieldKind.malformed],
  ["content-length", "1, 1", FieldKind.malformed],
  ["content-length", "", FieldKind.malformed],
  ["content-length", "9007199254740993", FieldKind.malformed],
  ["connection", "close", FieldKind.connectionSpecific],
  ["keep-alive", "5", FieldKind.connectionSpecific],
  ["proxy-connection", "close", FieldKind.connectionSpecific],
  ["transfer-encoding", "chunked", FieldKind.connectionSpecific],
  ["upgrade", "h2c", FieldKind.connectionSpecific],
  ["cookie", "a=b", FieldKind.cookie],
  ["set-cookie", "a=b", FieldKind.setCookie],
] as const)("%j: %j is of kind %i", ([name, value, kind]) => {
  expect(block(name, value).fields[0]?.kind).toBe(kind);
});

import { describe, expect, test } from "vitest";
import { readBindingRequest } from "../../src/server/binding-request.ts";

function read(text: string | Buffer) {
  const { operation, data, metadata } = readBindingRequest(Buffer.from(text));
  return { operation, data: data?.toString(), metadata: { ...metadata } };
}

describe("data passes byte for byte", () => {
  test.each([
    "null",
    "true",
    "5.0",
    "1e400",
    "-0",
    "12345678901234567890",
    '"text"',
    '"quote \\" backslash \\\\ \\u00e9 \\ud800"',
    '{"b":1, "a" : [1, {"]":"}"}, "[{"]}',
    "[ ]",
    "{ }",
    '"<>&"',
  ])("%s", (data) => {
    expect(read(`{"operation":"create","data":${data}}`).data).toBe(data);
    expect(read(`{"data": \n\t${data} \r\n, "operation":"create"}`).data).toBe(data);
  });

  test("bytes that are no UTF-8 stay", () => {
    const raw = Buffer.concat([
      Buffer.from('{"data":"'),
      Buffer.from([0xff, 0x80]),
      Buffer.from('"}'),
    ]);
    expect(readBindingRequest(raw).data).toEqual(Buffer.from([0x22, 0xff, 0x80, 0x22]));
  });

  test("absent data is undefined", () => {
    expect(read('{"operation":"get"}').data).toBeUndefined();
  });
});

describe("what Go's decoder lets pass", () => {
  test.each([
    ['{"OPERATION":"get","Metadata":{"key":"k"}}', { operation: "get", metadata: { key: "k" } }],
    ['{"operation":"a","operation":"get"}', { operation: "get", metadata: {} }],
    ['{"operation":"get","operation":null}', { operation: "get", metadata: {} }],
    ['{"operation":"get","unknown":[{}],"metadata":null}', { operation: "get", metadata: {} }],
    [
      '{"operation":"get","metadata":{"a":null,"b":"\\u00e9"}}',
      { operation: "get", metadata: { a: "", b: "é" } },
    ],
    ['{"oper\\u0061tion":"get"}', { operation: "get", metadata: {} }],
    ["null", { operation: "", metadata: {} }],
    ["{}", { operation: "", metadata: {} }],
    ['{"operation":"\\ud800"}', { operation: "\ufffd", metadata: {} }],
  ])("%s", (body, expected) => {
    expect(read(body)).toMatchObject(expected);
  });

  test("a key named __proto__ is a key", () => {
    const { metadata } = readBindingRequest(
      Buffer.from('{"metadata":{"__proto__":"x","constructor":"y"}}'),
    );
    expect(Object.entries(metadata)).toEqual([
      ["__proto__", "x"],
      ["constructor", "y"],
    ]);
  });
});

describe("what it refuses, in Go's words", () => {
  const field = "Go struct field OutputBindingRequest";
  test.each([
    ["", "EOF"],
    [" \n", "EOF"],
    ['{"operation":', "unexpected EOF"],
    ['{"operation":"x', "unexpected EOF"],
    ["nope", "invalid character 'o' in literal null (expecting 'u')"],
    ['{"operation":"get",}', "invalid character '}' looking for beginning of object key string"],
    ["\ufeff{}", "invalid character 'ï' looking for beginning of value"],
    ["[1]", "json: cannot unmarshal array into Go value of type http.OutputBindingRequest"],
    ['"x"', "json: cannot unmarshal string into Go value of type http.OutputBindingRequest"],
    ["5", "json: cannot unmarshal number into Go value of type http.OutputBindingRequest"],
    ["true", "json: cannot unmarshal bool into Go value of type http.OutputBindingRequest"],
    ['{"operation":5}', `json: cannot unmarshal number into ${field}.operation of type string`],
    ['{"metadata":{"a":5}}', `json: cannot unmarshal number into ${field}.metadata of type string`],
    [
      '{"metadata":{"a":true}}',
      `json: cannot unmarshal bool into ${field}.metadata of type string`,
    ],
    [
      '{"metadata":[]}',
      `json: cannot unmarshal array into ${field}.metadata of type map[string]string`,
    ],
    [
      '{"metadata":5,"operation":6}',
      `json: cannot unmarshal number into ${field}.metadata of type map[string]string`,
    ],
    ['{"operation":5,"data":}', "invalid character '}' looking for beginning of value"],
    ['{"data":"a\nb"}', "invalid character '\\n' in string literal"],
    ['{"data":"\\x"}', "invalid character 'x' in string escape code"],
    ['{"data":"\\u12g4"}', "invalid character 'g' in \\u hexadecimal character escape"],
    ['{"data":-}', "invalid character '}' in numeric literal"],
    ['{"data":1.}', "invalid character '}' after decimal point in numeric literal"],
    ['{"data":1e}', "invalid character '}' in exponent of numeric literal"],
    ['{"data":01}', "invalid character '1' after object key:value pair"],
    ['{"data":[1 2]}', "invalid character '2' after array element"],
    ['{"data" 1}', "invalid character '1' after object key"],
    ['{"data":[1}', "invalid character '}' after array element"],
  ])("%s", (body, message) => {
    expect(() => readBindingRequest(Buffer.from(body))).toThrow(message);
    try {
      readBindingRequest(Buffer.from(body));
    } catch (error) {
      expect((error as Error).message).toBe(message);
    }
  });
});

test("deep nesting is passed or refused, and never overflows the stack", () => {
  const nested = (depth: number) => `{"data":${"[".repeat(depth)}${"]".repeat(depth)}}`;
  expect(read(nested(9000)).data).toHaveLength(18_000);
  expect(() => read(nested(100_000))).toThrow("exceeded max depth");
  expect(() => read(`{"data":${'{"a":'.repeat(100_000)}`)).toThrow("exceeded max depth");
});

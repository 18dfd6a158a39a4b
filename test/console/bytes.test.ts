import { describe, expect, test } from "vitest";
import {
  bestView,
  bytesOf,
  fromHex,
  hexDump,
  hexOf,
  lineEndOf,
  prettyJson,
  textOf,
  valueBytes,
  valueText,
  visible,
  written,
} from "../../console/src/bytes.ts";
import { declaredProblem, metadataOf } from "../../console/src/pages/declared-field.ts";

describe("payloads", () => {
  test.each([
    [
      '{"a":[1,2,{"b":null}],"c":{},"d":[]}',
      '{\n  "a": [\n    1,\n    2,\n    {\n      "b": null\n    }\n  ],\n  "c": {},\n  "d": []\n}',
    ],
    // No number is another afterwards, and no text.
    [
      '{"id":9007199254740993,"x":1.10,"s":"a\\"{,:}b"}',
      '{\n  "id": 9007199254740993,\n  "x": 1.10,\n  "s": "a\\"{,:}b"\n}',
    ],
    [' "text" ', '"text"'],
  ])("%s is shown in lines", (text, lines) => {
    expect(prettyJson(text)).toBe(lines);
  });

  test("JSON that is nested without end, or one string of megabytes, is shown in bounded space", () => {
    const deep = prettyJson("[".repeat(100_000) + "]".repeat(100_000));
    expect(deep?.length).toBeLessThan(15_000_000);
    expect(deep?.startsWith("[\n  [\n    [\n")).toBe(true);
    const long = JSON.stringify('"\\'.repeat(10_000_000));
    expect(prettyJson(long)).toBe(long);
    expect(bestView(bytesOf("[".repeat(100_000) + "]".repeat(100_000)))).toBe("json");
  });

  test.each([
    ['{"a":{"b":[1,2', '{\n  "a": {\n    "b": [\n      1,\n      2'],
    ['["a\\"', '[\n  "a\\"'],
    ['{"a', '{\n  "a'],
    ['{"a":"\\', '{\n  "a": "\\'],
    ["]]}", "\n]\n]\n}"],
  ])("the beginning of JSON, %s, is shown in lines too", (text, lines) => {
    expect(prettyJson(text, { cut: true })).toBe(lines);
    expect(prettyJson(text)).toBeUndefined();
  });

  test("a beginning that ends within a character is text all the same", () => {
    for (const character of ["é", "€", "😀"]) {
      const bytes = bytesOf(`a${character}`);
      expect(bestView(bytes, { cut: true })).toBe("text");
      for (let end = 2; end < bytes.length; end++) {
        expect(bestView(bytes.subarray(0, end), { cut: true })).toBe("text");
        expect(bestView(bytes.subarray(0, end))).toBe("hex");
      }
    }
    expect(bestView(Uint8Array.of(), { cut: true })).toBe("text");
    expect(bestView(Uint8Array.of(0xff, 0xfe), { cut: true })).toBe("hex");
  });

  test("characters that nobody sees, or that turn others around, are shown by their numbers", () => {
    expect(visible("a\u202egnp.exe\u0000\u009b\ufeff")).toBe(
      "a⟨U+202E⟩gnp.exe⟨U+0000⟩⟨U+009B⟩⟨U+FEFF⟩",
    );
    expect(visible("naïve\n\tשלום 👩‍👧\r\n")).toBe("naïve\n\tשלום 👩‍👧\r\n");
  });

  test("short values are text, and in digits where a field could not keep them", () => {
    for (const [bytes, text] of [
      [bytesOf("json"), "json"],
      [Uint8Array.of(0, 255), "0x 00 ff"],
      [bytesOf("a\r\nb"), "0x 61 0d 0a 62"],
      [bytesOf("0x 00"), "0x 30 78 20 30 30"],
      [bytesOf("0x00"), "0x00"],
      [new Uint8Array(20), `0x${" 00".repeat(20)}`],
    ] as const) {
      expect(valueText(bytes)).toBe(text);
      expect(valueBytes(text)).toEqual(bytes);
    }
    expect(valueBytes("0x 0")).toBeUndefined();
  });

  test.each([
    ["a\nb\n", "\n"],
    ["a\r\nb\r\n", "\r\n"],
    ["MSH|^~\rPID|1\r", "\r"],
    ["a\r\nb\n", "mixed"],
    ["a", undefined],
  ])("the lines of %j end with %j", (text, end) => {
    expect(lineEndOf(text)).toBe(end);
  });

  test("what is no JSON is none", () => {
    expect(prettyJson("{a}")).toBeUndefined();
  });

  test("the view suits the bytes", () => {
    expect(bestView(bytesOf('{"a":1}'))).toBe("json");
    expect(bestView(bytesOf("a: 1"))).toBe("text");
    expect(bestView(bytesOf("12"))).toBe("text");
    expect(bestView(Uint8Array.of(0, 1, 255))).toBe("hex");
    expect(textOf(Uint8Array.of(0xff))).toBeUndefined();
  });

  test("bytes are written and read in hexadecimal digits", () => {
    const bytes = Uint8Array.from({ length: 20 }, (_, index) => index * 13);
    expect(fromHex(hexOf(bytes))).toEqual(bytes);
    expect(fromHex("abc")).toBeUndefined();
    expect(fromHex("zz")).toBeUndefined();
    expect(hexDump(bytesOf("Hello\n"))).toBe(
      "000000  48 65 6c 6c 6f 0a                                Hello·",
    );
  });

  test("what is written becomes bytes, or says what is wrong with it", () => {
    expect(written("{", "json")).toMatch(/^This is not JSON/);
    expect(written("7g", "hex")).toMatch(/hexadecimal/);
    expect(written("é", "text")).toEqual(Uint8Array.of(0xc3, 0xa9));
  });
});

describe("fields of an invocation", () => {
  const field = {
    $typeName: "cufflink.v1.Field" as const,
    ...{ name: "ttl", aliases: [], type: "number", description: "", required: true },
    ...{ allowedValues: [], sensitive: false, direction: 0 as const, example: "" },
  };

  test("are checked by what the type declares", () => {
    expect(declaredProblem(field, "")).toBe("ttl must be set.");
    expect(declaredProblem(field, "x")).toBe("ttl is a number.");
    expect(declaredProblem(field, "1.5e3")).toBe("");
    expect(declaredProblem({ ...field, type: "duration" }, "soon")).toMatch(/duration/);
    expect(declaredProblem({ ...field, allowedValues: ["a"] }, "b")).toBe("ttl is one of a.");
  });

  test("become metadata, those that nobody has set not", () => {
    const others = [
      { name: "x", value: "1" },
      { name: "", value: "2" },
    ];
    expect(metadataOf({ a: "b", c: "" }, others)).toEqual({ a: "b", x: "1" });
  });
});

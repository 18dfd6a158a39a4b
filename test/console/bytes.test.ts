import { describe, expect, test } from "vitest";
import {
  bestView,
  bytesOf,
  fromHex,
  hexDump,
  hexOf,
  prettyJson,
  textOf,
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

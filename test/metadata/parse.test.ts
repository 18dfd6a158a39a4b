import { describe, expect, test } from "vitest";
import { bool, byPrefix, duration, integer, oneOf, string } from "../../src/metadata/fields.ts";
import { parseFields } from "../../src/metadata/parse.ts";

const fields = {
  host: string({ description: "Host.", required: true }),
  password: string({ description: "Password.", sensitive: true }),
  port: integer({ description: "Port.", default: "6379", min: 1, max: 65_535 }),
  timeout: duration({ description: "Time-out.", aliases: ["waitTime", "patience"] }),
  tls: bool({ description: "TLS.", direction: "output" }),
  mode: oneOf(["fast", "safe"], { description: "Mode.", sensitive: true, deprecated: "say speed" }),
};

describe("parseFields", () => {
  test("matches names in any case and gives defaults", () => {
    const { values, problems } = parseFields(fields, { HOST: "a", Timeout: "5" });
    expect(problems).toEqual([]);
    expect(values).toEqual({
      host: "a",
      password: undefined,
      port: 6379,
      timeout: 5000,
      tls: undefined,
      mode: undefined,
    });
  });

  test("tells every problem at once, each with its kind", () => {
    const { problems } = parseFields(fields, {
      hots: "a",
      port: "zero",
      PORT: "1",
      mode: "s3cret",
    });
    expect(problems).toEqual([
      {
        severity: "error",
        kind: "duplicate",
        property: "PORT",
        message: "is given twice, as port and as PORT; keep one",
      },
      { severity: "error", kind: "missing", property: "host", message: "is required" },
      { severity: "error", kind: "value", property: "port", message: '"zero" is not an integer' },
      {
        severity: "warning",
        kind: "deprecated",
        property: "mode",
        message: "is deprecated: say speed",
      },
      { severity: "error", kind: "value", property: "mode", message: "must be one of fast, safe" },
      {
        severity: "warning",
        kind: "unknown",
        property: "hots",
        message: "is not known and is ignored",
        suggestion: "host",
      },
    ]);
  });

  test("takes the first alias that is there, and none while the own name is, even empty", () => {
    expect(parseFields(fields, { host: "a", patience: "1", WaitTime: "2" }).values.timeout).toBe(
      2000,
    );
    expect(parseFields(fields, { host: "a", timeout: "", waitTime: "2" }).values.timeout).toBe(0);
  });

  test("an empty text does not satisfy a required field", () => {
    expect(parseFields(fields, { host: "" }).problems).toMatchObject([
      { kind: "missing", property: "host" },
    ]);
  });

  test("warns of a field of a direction that is left out, and does not require its like", () => {
    const directed = {
      topic: string({ description: "", required: true, direction: "input" }),
      ...fields,
    };
    const { problems } = parseFields(
      directed,
      { host: "a", tls: "on" },
      { direction: { input: false, output: true } },
    );
    expect(problems).toEqual([]);
    const unused = parseFields(
      directed,
      { host: "a", topic: "t", tls: "on" },
      { direction: { input: true, output: false } },
    );
    expect(unused.problems).toMatchObject([
      { severity: "warning", kind: "unused", property: "tls" },
    ]);
  });

  test("never quotes a text that came from a secret", () => {
    const { problems } = parseFields(
      fields,
      { host: "a", port: "hunter2", tls: "hunter2" },
      { unquoted: new Set(["port", "tls"]) },
    );
    expect(problems).toHaveLength(2);
    expect(JSON.stringify(problems)).not.toContain("hunter2");
  });

  test("cuts long texts in messages", () => {
    const { problems } = parseFields(fields, { host: "a", port: "x".repeat(10_000) });
    expect(problems[0]?.message.length).toBeLessThan(120);
  });

  test("matches names as written where asked to, and suggests the right case", () => {
    const { values, problems } = parseFields(fields, { Host: "a" }, { exactCase: true });
    expect(values.host).toBeUndefined();
    expect(problems).toMatchObject([
      { kind: "missing" },
      { kind: "unknown", property: "Host", suggestion: "host" },
    ]);
  });

  test("knows names that others read", () => {
    expect(
      parseFields(
        fields,
        { host: "a", ROUTE: "/x" },
        { alsoKnown: { route: string({ description: "" }) } },
      ).problems,
    ).toEqual([]);
  });
});

describe("names by prefix", () => {
  const named = {
    host: string({ description: "Host." }),
    headers: byPrefix("header:", string({ description: "A header.", sensitive: true })),
    limits: byPrefix("limit:", integer({ description: "A limit.", min: 1 })),
  };

  test("all that begin with it, as written, are one map", () => {
    const properties = { HOST: "a", "header:X-A": "1", "header:x-b": "", "limit:__proto__": "7" };
    const { values, problems } = parseFields(named, properties);
    expect(problems).toEqual([]);
    expect(values.host).toBe("a");
    expect([...values.headers]).toEqual([
      ["X-A", "1"],
      ["x-b", ""],
    ]);
    expect([...values.limits]).toEqual([["__proto__", 7]]);
    expect([...parseFields(named, {}).values.headers]).toEqual([]);
  });

  test("each wrong one is told by its name, a sensitive one without its text", () => {
    const { problems } = parseFields(named, {
      "limit:a": "0",
      "limit:": "1",
      "Header:X-A": "s3cret",
      headers: "s3cret",
      "header:X-B": "s3cret",
      "header:x-b": "s3cret",
    });
    expect(problems).toEqual([
      {
        ...{ severity: "error", kind: "duplicate", property: "header:x-b" },
        message: "is given twice, as header:X-B and as header:x-b; keep one",
      },
      {
        ...{ severity: "error", kind: "value", property: "limit:a" },
        message: `"0" must be from 1 to ${Number.MAX_SAFE_INTEGER}`,
      },
      {
        ...{ severity: "error", kind: "value", property: "limit:" },
        message: 'needs a name behind "limit:"',
      },
      {
        ...{ severity: "warning", kind: "unknown", property: "Header:X-A" },
        ...{ message: "is not known and is ignored", suggestion: "header:X-A" },
      },
      {
        ...{ severity: "warning", kind: "unknown", property: "headers" },
        ...{ message: "is not known and is ignored", suggestion: "header:NAME" },
      },
    ]);
    expect(JSON.stringify(problems)).not.toContain("s3cret");
  });
});

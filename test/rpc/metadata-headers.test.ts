import { expect, test } from "vitest";
import { headerText, metadataHeaders } from "../../src/rpc/metadata-headers.ts";

test("metadata become headers, and what headers cannot carry is left out, each time", () => {
  const metadata = {
    "Content-Type": "text/plain",
    lines: "one\r\ntwo",
    grüße: "a name that is none",
    "trace-bin": "gRPC takes it for base64",
    accents: "voilà",
    "accents and lines": "voilà\nvoilà",
    bell: "\u0007",
    empty: "",
  };
  const headers = {
    "metadata.content-type": "text/plain",
    "metadata.lines": "one  two",
    "metadata.empty": "",
  };
  expect(metadataHeaders(metadata)).toEqual(headers);
  expect(metadataHeaders(metadata)).toEqual(headers);
});

test("no more of them than clients take", () => {
  const metadata = { first: "x".repeat(8000), second: "y".repeat(200), third: "z" };
  expect(Object.keys(metadataHeaders(metadata))).toEqual(["metadata.first"]);
});

test.each([
  ["plain text", "plain text"],
  ["tab\tbell\u0007line\nend", "tab\tbellline end"],
  ["é", "Ã©"],
])("the header value of %j is %j", (text, value) => {
  expect(headerText(text)).toBe(value);
});

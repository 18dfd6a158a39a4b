import { assert, property, string } from "fast-check";
import { expect, test } from "vitest";
import { elementAt, escapeXml, parseXml, textAt } from "../../src/text/xml.ts";

test("reads elements, their text, entities and CDATA", () => {
  const root = parseXml(
    `\ufeff<?xml version="1.0"?>\n<!-- a > b -->\n<s:Root xmlns:s='urn:x>y'><Key a="1>2">a&amp;b&#10;&#x20AC;&unknown;</Key><Key/><Data><![CDATA[<&>]]></Data></s:Root>\n`,
  );
  expect(root?.name).toBe("Root");
  expect(textAt(root, "Key")).toBe("a&b\n€&unknown;");
  expect(root?.children.map(({ name }) => name)).toEqual(["Key", "Key", "Data"]);
  expect(textAt(root, "Data")).toBe("<&>");
  expect(elementAt(root, "Key", "None")).toBeUndefined();
});

test.each([
  ["nothing", ""],
  ["text", "Service Unavailable"],
  ["an element that is not closed", "<a><b></a>"],
  ["two documents", "<a/><b/>"],
  ["a declaration of entities", `<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`],
  ["what is nested too deeply", `${"<a>".repeat(100)}${"</a>".repeat(100)}`],
  ["a tag that ends nowhere", `<a b="`],
])("does not read %s", (_what, text) => {
  expect(parseXml(text)).toBeUndefined();
});

test("reads any text that it has escaped, and survives any text", () => {
  assert(
    property(string({ unit: "binary", maxLength: 40 }), (text) => {
      parseXml(text);
      let escaped: string;
      try {
        escaped = escapeXml(text);
      } catch {
        return;
      }
      expect(parseXml(`<a b="${escaped}">${escaped}</a>`)?.text).toBe(text);
    }),
  );
});

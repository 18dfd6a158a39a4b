import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { deadLinks } from "../../scripts/site/dead-links.ts";
import { anchorOf, siteLink } from "../../scripts/site/links.ts";
import { navigation, pagesIn, sitePages } from "../../scripts/site/navigation.ts";
import { folder } from "../resources/folder.ts";
import { readPage } from "./pages.ts";

test("docs/README.md lists every page, and the navigation of the site no page twice", () => {
  const listed = pagesIn(navigation());
  expect(listed.toSorted()).toEqual(sitePages().filter((page) => page !== "README.md"));
});

test("README.md leads to the tour and to the list of all pages", () => {
  expect(readPage("README.md")).toContain("](docs/README.md)");
});

describe("a link of a page", () => {
  test.each([
    ["delivery.md#order", "dead-letters.md", "delivery.md#order"],
    ["../delivery.md", "bindings/kafka.md", "../delivery.md"],
    ["bindings/README.md#x", "cli.md", "bindings/index.md#x"],
    ["README.md", "bindings/kafka.md", "index.md"],
    ["#here", "cli.md", "#here"],
    ["https://dapr.io", "cli.md", "https://dapr.io"],
    ["performance/cpu.svg", "performance.md", "performance/cpu.svg"],
    ["not-there.md", "cli.md", "not-there.md"],
  ])("%s in %s stays on the site", (target, page, expected) => {
    expect(siteLink(target, page)).toBe(expected);
  });

  test.each([
    ["../README.md", "blob/main/README.md"],
    ["../CONTRIBUTING.md#rules", "blob/main/CONTRIBUTING.md#rules"],
    ["../examples/quickstart", "tree/main/examples/quickstart"],
    ["systems.json", "blob/main/docs/systems.json"],
  ])("%s leads to the repository", (target, expected) => {
    expect(siteLink(target, "cli.md")).toBe(
      `https://github.com/cufflink-runtime/cufflink/${expected}`,
    );
  });
});

test("anchors are those of GitHub", () => {
  expect(anchorOf("What `check` says, and --why")).toBe("what-check-says-and---why");
});

test("links of a built site that lead nowhere are found", () => {
  const built = folder({
    "index.html": '<a href="./a#one">a</a> <a class="x" href="/b/">b</a> <img src="/i.png">',
    "a.html":
      '<h2 id="one">1</h2> <a href="./#two">index</a> <a href="#one">1</a> <a href="./c">c</a>',
    "b/index.html": '<a href="../a#three">a</a> <a href="https://example.com/x">x</a>',
  });
  expect(deadLinks(join(built)).toSorted()).toEqual([
    "a.html: the link ./#two leads nowhere",
    "a.html: the link ./c leads nowhere",
    "b/index.html: the link ../a#three leads nowhere",
    "index.html: the link /i.png leads nowhere",
  ]);
});

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readPage, root } from "./pages.ts";

test("the page on alerts has each that is shipped, and no other", () => {
  const shipped = readFileSync(join(root, "deploy/prometheus/alerts.yaml"), "utf8");
  const alerts = Array.from(shipped.matchAll(/- alert: (\w+)/g), ([, name]) => name);
  const named = readPage("docs/how-to/be-alerted.md").match(/(?<=`)Cufflink\w+(?=`)/g) ?? [];
  expect(new Set(named)).toEqual(new Set(alerts));
});

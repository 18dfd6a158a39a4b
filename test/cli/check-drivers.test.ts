import { expect, test, vi } from "vitest";
import { defineBinding } from "../../src/binding.ts";
import { string } from "../../src/metadata/fields.ts";
import { folder } from "../resources/folder.ts";
import { cufflinkHere } from "./in-process.ts";

vi.mock("../../src/bindings/index.ts", () => {
  const binding = (name: string, drivers: Record<string, string>) =>
    defineBinding({
      ...{ name, drivers, status: "alpha", summary: "Needs drivers.", metadata: {} },
      open: () => ({ async [Symbol.asyncDispose]() {} }),
    });
  return {
    bindings: [
      binding("one", { "cufflink-one": "1.2.3", yaml: "2.9.1" }),
      binding("two", { "cufflink-two": "2.0.0" }),
      binding("three", { "cufflink-three": "3.0.0" }),
      {
        ...binding("four", { "cufflink-always": "4.0.0", "cufflink-chain": "4.1.0" }),
        metadata: { key: string({ description: "A key in place of the chain.", default: "" }) },
        needsDriver: (name: string, { key }: { key: string }) =>
          name === "cufflink-always" || key === "",
      },
    ],
  };
});

const yaml = (name: string, type: string, metadata = "[]") =>
  `apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: ${name}}\nspec: {type: bindings.${type}, version: v1, metadata: ${metadata}}\n`;

test("check ends with one command for the drivers that are missing", async () => {
  const path = folder({
    "a.yaml": yaml("a", "two"),
    "b.yaml": yaml("b", "one"),
    "c.yaml": yaml("c", "one"),
  });
  const { code, stdout } = await cufflinkHere(["check", path]);
  expect(stdout).toBe(
    "3 components: no problems\ndrivers are not installed; run: npm install cufflink-one@1.2.3 cufflink-two@2.0.0\n",
  );
  expect(code).toBe(1);
  const told = await cufflinkHere(["check", "--json", "--drivers", "/srv/drivers", path]);
  expect(JSON.parse(told.stdout)).toEqual({
    components: 3,
    problems: [],
    missingDrivers: { "cufflink-one": "1.2.3", "cufflink-two": "2.0.0" },
    install: "npm install --prefix /srv/drivers cufflink-one@1.2.3 cufflink-two@2.0.0",
  });
});

test("check asks for no driver that the component's settings do not need", async () => {
  const keyed = folder({ "a.yaml": yaml("a", "four", "[{name: key, value: k}]") });
  expect((await cufflinkHere(["check", keyed])).stdout).toContain(
    "run: npm install cufflink-always@4.0.0\n",
  );
  const bare = folder({ "a.yaml": yaml("a", "four") });
  expect((await cufflinkHere(["check", bare])).stdout).toContain(
    "run: npm install cufflink-always@4.0.0 cufflink-chain@4.1.0\n",
  );
});

test("types tells how a driver is installed", async () => {
  const { stdout } = await cufflinkHere(["types", "two"]);
  expect(stdout).toContain("npm install cufflink-two@2.0.0");
});

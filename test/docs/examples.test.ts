import { execFile } from "node:child_process";
import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { cufflinkHere } from "../cli/in-process.ts";
import { folder } from "../resources/folder.ts";
import { blocks, placeOf, root } from "./pages.ts";

const all = blocks();
const of = (language: string) =>
  all
    .filter((block) => block.language === language)
    .map((block) => [placeOf(block), block.text] as const);

test("every block is in a language that is looked at", () => {
  const known = new Set(["", "json", "sh", "text", "ts", "xml", "yaml"]);
  expect(all.filter(({ language }) => !known.has(language)).map(placeOf)).toEqual([]);
});

test.each(of("json"))("the JSON of %s is valid", (_, text) => {
  const documents = text.split(/\n(?=\{)/).map((one) => JSON.parse(one) as unknown);
  expect(documents.every((one) => typeof one === "object")).toBe(true);
});

describe("YAML", () => {
  const documents = of("yaml");
  // The component of a binding that its page makes is checked where that page is followed.
  const resources = documents.filter(
    ([place, text]) => text.startsWith("apiVersion:") && !place.startsWith("docs/own-bindings.md"),
  );
  const own = documents.filter(([place]) => place.startsWith("docs/own-bindings.md"));

  test("is component YAML", () => {
    expect([...resources, ...own].length).toBe(documents.length);
  });

  test.each(resources)("nothing is wrong with that of %s", async (place, text) => {
    // A Resiliency names components, which stand elsewhere.
    const { spec } = parse(text.split("\n---\n", 1)[0] ?? "") as {
      spec: { targets?: { components?: object } };
    };
    const others = Object.keys(spec.targets?.components ?? {}).map(componentNamed);
    const files = folder({ "example.yaml": [text, ...others].join("\n---\n") });
    const { code, stdout } = await cufflinkHere(["check", "--allow-exec", "--no-secrets", files]);
    expect({ place, code, stdout }).toEqual({ place, code: 0, stdout: expect.any(String) });
  });
});

test("the TypeScript of all pages compiles", { timeout: 60_000 }, async () => {
  const place = folder({});
  const pages = of("ts");
  for (const [number, [name, text]] of pages.entries()) {
    const program = `// ${name}\n${preludeOf(text)}\n${text}\nexport {};\n`;
    const servers = program
      .replaceAll('"../servers/', `"${join(root, "test/servers")}/`)
      .replaceAll('"./shop.ts"', `"${join(root, "examples/testkit/shop.ts")}"`);
    // One that a page names can be imported by its others.
    const [, own = `${number}.ts`] = /^\/\/ ([\w.-]+\.ts)\n/.exec(text) ?? [];
    writeFileSync(join(place, own), servers);
  }
  const settings = {
    extends: join(root, "tsconfig.json"),
    compilerOptions: {
      paths: {
        cufflink: [join(root, "src/index.ts")],
        "cufflink/app": [join(root, "src/sdk/index.ts")],
        "cufflink-app": [join(root, "src/sdk/index.ts")],
        "cufflink/testkit": [join(root, "src/testkit/index.ts")],
      },
      typeRoots: [join(root, "node_modules/@types")],
      types: ["node"],
      // The examples leave out what a program does with their values.
      noUnusedLocals: false,
      rewriteRelativeImportExtensions: false,
      allowImportingTsExtensions: true,
    },
    // The second tells what the tests' servers provide.
    include: ["*.ts", join(root, "test/servers/global-setup.ts")],
  };
  writeFileSync(join(place, "tsconfig.json"), JSON.stringify(settings));
  writeFileSync(join(place, "package.json"), '{ "type": "module" }');
  symlinkSync(join(root, "node_modules"), join(place, "node_modules"));
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const compiled = promisify(execFile)(process.execPath, [tsc, "--project", place], { cwd: place });
  await expect(compiled.catch(({ stdout }: { stdout: string }) => stdout)).resolves.toEqual({
    stdout: "",
    stderr: "",
  });
});

/** A component that is an input and an output. */
function componentNamed(name: string): string {
  const metadata = Object.entries({
    ...{ brokers: "kafka:9092", authType: "none", topics: name, consumerGroup: "shop" },
    publishTopic: name,
  }).map(([field, value]) => `{ name: ${field}, value: "${value}" }`);
  return `apiVersion: dapr.io/v1alpha1
kind: Component
metadata: { name: ${name} }
spec: { type: bindings.kafka, version: v1, metadata: [${metadata.join(", ")}] }
`;
}

/** What an example takes for granted: the app of the example before it, and the names of its story. */
function preludeOf(text: string): string {
  const prelude: string[] = [];
  if (!/\bcreateApp\b/.test(text) && /\bapp\./.test(text)) {
    prelude.push('import { createApp } from "cufflink/app";', "const app = createApp();");
  }
  if (/\bdescribeWith\(/.test(text)) {
    prelude.push(
      'import { test } from "vitest";',
      "declare function connect(url: string): Promise<void>;",
    );
    if (!text.includes("import { describeWith")) {
      prelude.push('import { describeWith } from "../servers/describe-with.ts";');
    }
  }
  return prelude.join("\n");
}

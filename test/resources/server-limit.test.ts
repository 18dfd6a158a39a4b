import { expect, test } from "vitest";
import { bindings } from "../../src/bindings/index.ts";
import { lint } from "../../src/resources/lint.ts";
import { brief, component, folder, load } from "./folder.ts";

const MiB = 1024 * 1024;

async function findings(type: string, metadata: string, maxBodySize?: number): Promise<string> {
  const path = folder({ "a.yaml": component("a", type, metadata) });
  const { components } = await load(path, { bindings });
  return brief(await lint(components, bindings, { frameworkFields: {}, maxBodySize }), path).join();
}

const http = (size: string): string =>
  `- {name: url, value: "http://127.0.0.1/"}\n- {name: maxResponseBodySize, value: "${size}"}`;
const kafka = (size: number): string =>
  `- {name: brokers, value: "127.0.0.1:1"}\n- {name: authType, value: none}\n- {name: maxMessageBytes, value: "${size}"}`;

test.each(["10Mi", "0", "-1"])("answers of %s, which gRPC does not send", async (size) => {
  expect(await findings("bindings.http", http(size), 4 * MiB)).toBe(
    `a.yaml:9:42 warning: property "maxResponseBodySize": "${size}" is more than a gRPC call can answer: the server sends at most 4Mi (--max-body-size)`,
  );
});

test("messages that no request can bring", async () => {
  expect(await findings("bindings.kafka", kafka(5_000_000), 4 * MiB)).toContain(
    'property "maxMessageBytes": "5000000" is more than an app can send: the server takes requests of at most 4Mi (--max-body-size)',
  );
});

test("what the server allows, what nobody said, and what has no server is no finding", async () => {
  expect(await findings("bindings.http", http("10Mi"), 10 * MiB)).toBe("");
  expect(await findings("bindings.http", http("10Mi"))).toBe("");
  expect(await findings("bindings.http", '- {name: url, value: "http://x/"}', MiB)).toBe("");
  expect(await findings("bindings.kafka", kafka(0), MiB)).toBe("");
});

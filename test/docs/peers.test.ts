import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { peers } from "../peers/peers.ts";
import { readPage, root } from "./pages.ts";

const read = (path: string): string => readFileSync(join(root, path), "utf8");

// What each peer is built from says its version.
const manifests: Readonly<Record<string, string>> = {
  "grpc-go": "test/peers/go/go.mod",
  "grpc-java": "test/peers/java/pom.xml",
  grpcio: "test/peers/python/requirements.txt",
  "grpc-js": "node_modules/@grpc/grpc-js/package.json",
  tonic: "test/peers/rust/Cargo.toml",
};

test.each(peers)("the page of peers has $name with the version that is tested", (peer) => {
  const { name, version } = peer;
  const rows = readPage("docs/peers.md").split("\n");
  const row = rows.find((line) => line.replaceAll("`", "").startsWith(`| ${name} `));
  expect(row).toBeDefined();
  const manifest = manifests[name];
  // Node's is that of whoever runs the tests.
  if (manifest === undefined) return;
  expect(row?.split("|")[2]?.trim()).toBe(version);
  expect(read(manifest)).toContain(version);
});

import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { ConsoleAssets } from "../../../src/server/console/assets.ts";
import { consoleOf, tokens } from "./console.ts";

const script = "/assets/main-1a2b.js";

describe("the page's files", () => {
  test("need no token, and are packed as the browser takes them", async () => {
    const { ask } = await consoleOf();
    const index = await ask("/");
    expect([index.status, index.text]).toEqual([200, "<!doctype html>the page"]);
    expect(index.headers["cache-control"]).toBe("no-cache");
    const plain = await ask(script, { headers: { "accept-encoding": "deflate, br;q=0" } });
    expect(plain.headers["content-encoding"]).toBeUndefined();
    const unpacked = { br: brotliDecompressSync, gzip: gunzipSync };
    for (const [encoding, accepted] of [
      ["br", "gzip, deflate, br, zstd"],
      ["gzip", "gzip;q=0.5, br;q=0.0"],
    ] as const) {
      const answer = await ask(script, { headers: { "accept-encoding": accepted } });
      expect(answer.headers).toMatchObject({
        ...{ "content-encoding": encoding, vary: "accept-encoding" },
        "cache-control": "public, max-age=31536000, immutable",
        "content-type": "text/javascript; charset=utf-8",
      });
      expect(unpacked[encoding](answer.body)).toEqual(plain.body);
    }
  });

  test("are not sent again to who has them", async () => {
    const { ask } = await consoleOf();
    const { headers } = await ask("/");
    const etag = String(headers["etag"]);
    const known = await ask("/", { headers: { "if-none-match": `"other", ${etag}` } });
    expect([known.status, known.body.length, known.headers["etag"]]).toEqual([304, 0, etag]);
    const head = await ask("/", { method: "HEAD" });
    expect([head.status, head.body.length, head.headers["content-length"]]).toEqual([200, 0, "23"]);
  });

  test("are those of the manifest: no other path leads to a file", async () => {
    const { ask } = await consoleOf();
    for (const path of [
      ...["/secret.txt", "/manifest.json", "/index.html", "/assets/", "/assets/main-1a2b.js.br"],
      ...["/../secret.txt", "/assets/../secret.txt", "/%2e%2e/secret.txt", "//secret.txt"],
      ...["/assets/..%2fsecret.txt", "/..\\secret.txt", "/secret.txt%00.js", "/etc/passwd"],
      ...["/__proto__", "/constructor", "/rpc", "/rpc/", "/session/"],
    ])
      expect([path, (await ask(path)).status]).toEqual([path, 404]);
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
      const answer = await ask("/", { method });
      expect([answer.status, answer.headers["allow"]]).toEqual([405, "GET, HEAD"]);
    }
  });

  test("are replaced by a word where the page is not built", async () => {
    const { ask } = await consoleOf({ assets: await ConsoleAssets.load(["/nowhere"]) });
    expect((await ask("/")).text).toContain("npm run build");
  });
});

test("every answer forbids what a page of ours does not need", async () => {
  const { ask } = await consoleOf();
  const answers = [
    await ask("/"),
    await ask("/nosuch"),
    await ask("/session"),
    await ask("/session", { token: tokens.full }),
    await ask("/rpc/0/cufflink.v1.Operations/ListComponents", { body: "{}", token: tokens.full }),
    await ask("/rpc/0/cufflink.v1.Operations/ListComponents", { body: "{}" }),
    await ask("/", { headers: { origin: "https://evil.example" } }),
  ];
  for (const { headers } of answers) {
    expect(headers).toMatchObject({
      "content-security-policy":
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-resource-policy": "same-origin",
      "referrer-policy": "no-referrer",
      "x-content-type-options": "nosniff",
    });
    expect(headers["set-cookie"]).toBeUndefined();
    expect(headers["access-control-allow-origin"]).toBeUndefined();
  }
  for (const { headers } of answers.slice(2, 6)) expect(headers["cache-control"]).toBe("no-store");
});

import { expect, onTestFinished, test, vi } from "vitest";
import bucketBinding from "../../../../src/bindings/gcp/gcp.bucket/index.ts";
import { describeWith } from "../../../servers/describe-with.ts";
import { accountEmail, accountFields } from "../../../identity/gcp/key.ts";
import { startLoopback } from "../../http/loopback-server.ts";
import { openOutput } from "../../opened-output.ts";
import { makeBucket } from "./make-bucket.ts";

const missing =
  "gcp bucketgcp bucket binding error while downloading object: storage: object doesn't exist";

type Server = { readonly url: string };
type Answer = { readonly data?: Uint8Array | undefined } | undefined;

const textOf = (answer: Answer): string => Buffer.from(answer?.data ?? []).toString();
const jsonOf = (answer: Answer): unknown => JSON.parse(textOf(answer));

async function opened(server: Server, more: Record<string, string> = {}) {
  const bucket = await makeBucket(server);
  const properties = { bucket, projectID: "p", endpoint: server.url, ...more };
  const output = await openOutput(bucketBinding, properties);
  onTestFinished(() => output[Symbol.asyncDispose]());
  return { bucket, output };
}

async function* parts(count: number, size: number): AsyncGenerator<Uint8Array> {
  for (let n = 0; n < count; n++) yield Buffer.alloc(size, n);
}

async function bodyOf(
  answer: { body?: AsyncIterable<Uint8Array> | undefined } | undefined,
): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const part of answer?.body ?? []) all.push(part);
  return Buffer.concat(all);
}

describeWith("fake-gcs", (server) => {
  test("create, get and delete: what is stored comes back", async () => {
    const { output, bucket } = await opened(server);
    const key = "2026/a b+c?d#e%f&g/ü.bin";
    const created = await output.invoke("create", { key }, { data: Buffer.of(0, 255, 10) });
    expect(jsonOf(created)).toEqual({
      objectURL: `https://storage.googleapis.com/${bucket}/2026/a%20b+c%3Fd%23e%25f&g/%C3%BC.bin`,
    });
    expect((await output.invoke("get", { key }))?.data).toEqual(Buffer.of(0, 255, 10));
    expect(textOf(await output.invoke("get", { key, encodeBase64: "true" }))).toBe("AP8K");
    // The older name of the key.
    expect((await output.invoke("get", { name: key, key: "other" }))?.data).toHaveLength(3);
    expect(await output.invoke("delete", { key })).toBeUndefined();
    for (const [operation, message] of [
      ["get", missing],
      ["delete", "object not found"],
    ] as const)
      await expect(output.invoke(operation, { key })).rejects.toMatchObject({
        ...{ reason: "not_found", effect: "rejected", message },
      });
  });

  test("create: unquotes, decodes, names and types", async () => {
    const { output } = await opened(server, { contentType: "text/csv", decodeBase64: "true" });
    const plain = { key: "a", decodeBase64: "false" };
    await output.invoke("create", plain, { data: String.raw`"a\nb"` });
    expect(textOf(await output.invoke("get", { key: "a" }))).toBe("a\nb");
    await output.invoke("create", { key: "b", contentType: "image/png" }, { data: "AP8K" });
    expect((await output.invoke("get", { key: "b" }))?.data).toEqual(Buffer.of(0, 255, 10));
    await expect(output.invoke("create", { key: "c" }, { data: "AP8" })).rejects.toMatchObject({
      ...{ reason: "invalid_argument", effect: "rejected" },
      message: "gcp bucket binding error while uploading: unexpected EOF",
    });
    const created = jsonOf(await output.invoke("create", {}, { data: "" })) as {
      objectURL: string;
    };
    expect(created.objectURL).toMatch(/\/[0-9a-f-]{36}$/);
    const listed = jsonOf(await output.invoke("list", {}, { data: "{}" })) as Record<
      string,
      unknown
    >[];
    expect(listed.map(({ Name, ContentType, Size }) => [Name, ContentType, Size])).toEqual(
      [
        ["a", "text/csv", 3],
        ["b", "image/png", 3],
        [created.objectURL.slice(-36), "text/csv", 0],
      ].toSorted((one, other) => (String(one[0]) < String(other[0]) ? -1 : 1)),
    );
  });

  test("list: prefixes, delimiters and limits", async () => {
    const { output } = await opened(server);
    expect(textOf(await output.invoke("list", {}, { data: "{}" }))).toBe("null");
    for (const key of ["a/1", "a/2", "b/1", "c"])
      await output.invoke("create", { key }, { data: key });
    const list = async (data: unknown) => {
      const answer = await output.invoke("list", {}, { data: JSON.stringify(data) });
      return (jsonOf(answer) as { Name: string; Prefix: string }[]).map(
        (one) => one.Name || one.Prefix,
      );
    };
    expect(await list({ prefix: "a/" })).toEqual(["a/1", "a/2"]);
    expect(await list({ delimiter: "/" })).toEqual(["c", "a/", "b/"]);
    expect(await list({ maxResults: 2 })).toEqual(["a/1", "a/2"]);
    for (const data of ["", "[]", '{"prefix":1}', '{"maxResults":1.5}'])
      await expect(output.invoke("list", {}, { data })).rejects.toMatchObject({
        reason: "invalid_argument",
      });
  });

  test("bulkGet: all objects with their bytes", async () => {
    const { output } = await opened(server);
    expect(jsonOf(await output.invoke("bulkGet"))).toEqual([]);
    const keys = Array.from({ length: 20 }, (_, n) => `k${String(n).padStart(2, "0")}`);
    for (const key of keys) await output.invoke("create", { key }, { data: key });
    const all = jsonOf(await output.invoke("bulkGet")) as { name: string; data: string }[];
    expect(all.map(({ name, data }) => [name, Buffer.from(data, "base64").toString()])).toEqual(
      keys.map((key) => [key, key]),
    );
    const [first] = jsonOf(await output.invoke("bulkGet", { encodeBase64: "true" })) as typeof all;
    expect(first?.data).toBe(Buffer.from(Buffer.from("k00").toString("base64")).toString("base64"));
  });

  test("copy, move and rename", async () => {
    const { output, bucket } = await opened(server);
    const other = await makeBucket(server);
    const invoke = async (operation: string, key: string, data: unknown): Promise<string> =>
      textOf(await output.invoke(operation, { key }, { data: JSON.stringify(data) }));
    await output.invoke("create", { key: "a" }, { data: "x" });
    expect(await invoke("copy", "a", { destinationKey: "d/b" })).toBe(
      `object a copied to ${bucket}/d/b`,
    );
    expect(await invoke("copy", "a", { destinationBucket: other })).toBe(
      `object a copied to ${other}/a`,
    );
    expect(await invoke("move", "d/b", { destinationKey: "c" })).toBe(
      `object d/b moved to ${bucket}/c`,
    );
    expect(await invoke("rename", "c", { newName: "e" })).toBe("object c renamed to e");
    const listed = jsonOf(await output.invoke("list", {}, { data: "{}" })) as { Name: string }[];
    expect(listed.map(({ Name }) => Name)).toEqual(["a", "e"]);
    for (const [operation, data, message] of [
      ["copy", {}, /copy\/move requires at least one of destinationBucket or destinationKey/],
      ["copy", [], /^gcp bucket binding error: invalid copy payload: /],
      ["copy", { destinationBucket: "../x" }, /is no name of a bucket/],
      ["move", { destinationKey: "a" }, /move destination \S+\/a is the same as the source/],
      ["rename", {}, /^gcp bucket binding error: required 'newName' missing$/],
      ["rename", { newName: "a" }, /a has that name already$/],
    ] as const)
      await expect(invoke(operation, "a", data)).rejects.toThrow(message);
    await expect(invoke("copy", "none", { destinationKey: "z" })).rejects.toMatchObject({
      ...{ reason: "not_found", effect: "rejected" },
      message: expect.stringMatching(
        /^gcp bucket binding error while copying object: storage: object doesn't exist: googleapi: /,
      ) as string,
    });
    expect(textOf(await output.invoke("get", { key: "a" }))).toBe("x");
  });

  test("what a call lacks is told in Dapr's words", async () => {
    const { output } = await opened(server);
    for (const [operation, message] of [
      ["get", "gcp bucket binding error: can't read key value"],
      ["delete", "gcp bucketgcp bucket binding error: can't read key value"],
      ["sign", "gcp bucket binding error: can't read key value"],
      ["copy", "gcp bucket binding error: can't read key value"],
    ] as const)
      await expect(output.invoke(operation)).rejects.toThrow(message);
    await expect(output.invoke("sign", { key: "a" })).rejects.toThrow(
      "gcp bucket binding error: required metadata 'signTTL' missing",
    );
    await expect(output.invoke("sign", { key: "a", signTTL: "15" })).rejects.toThrow(
      /parsing signTTL: time: missing unit in duration "15"/,
    );
    for (const key of ["..", "a\nb", "k".repeat(1025), "a\0"])
      await expect(output.invoke("create", { key }, { data: "x" })).rejects.toMatchObject({
        ...{ reason: "invalid_argument", effect: "rejected" },
      });
  });

  test("sign: a URL that is good for that long", async () => {
    const { output, bucket } = await opened(server, { ...accountFields, signTTL: "15m" });
    const { signURL } = jsonOf(await output.invoke("sign", { key: "a/b c" })) as {
      signURL: string;
    };
    const url = new URL(signURL);
    expect(url.origin).toBe(server.url);
    expect(url.pathname).toBe(`/${bucket}/a/b%20c`);
    expect(url.searchParams.get("X-Goog-Expires")).toBe("900");
    expect(url.searchParams.get("X-Goog-Credential")).toMatch(`${accountEmail}/20`);
    expect(url.searchParams.get("X-Goog-Signature")).toMatch(/^[0-9a-f]{512}$/);
    await output.invoke("create", { key: "a/b c" }, { data: "x" });
    expect(await (await fetch(signURL)).text()).toBe("x");
  });

  test("payloads in parts, larger than one part of an upload", async () => {
    const { output } = await opened(server);
    await output.invokeStream("create", { key: "large" }, parts(40, 256 * 1024 + 1));
    const whole = await bodyOf(await output.invokeStream("get", { key: "large" }, parts(0, 0)));
    const expected = await bodyOf({ body: parts(40, 256 * 1024 + 1) });
    expect(whole.equals(expected)).toBe(true);
    await output.invokeStream("create", { key: "small" }, parts(2, 5));
    const read = { key: "small", encodeBase64: "true" };
    const small = await bodyOf(await output.invokeStream("get", read, parts(0, 0)));
    expect(Buffer.from(small.toString(), "base64")).toEqual(await bodyOf({ body: parts(2, 5) }));
    const body = (async function* () {
      yield Buffer.from("AP8");
      yield Buffer.from("K\r\nAP8K");
    })();
    await output.invokeStream("create", { key: "decoded", decodeBase64: "true" }, body);
    expect((await output.invoke("get", { key: "decoded" }))?.data).toEqual(
      Buffer.of(0, 255, 10, 0, 255, 10),
    );
    await expect(output.invokeStream("get", { key: "none" }, parts(0, 0))).rejects.toThrow(missing);
  });

  test("an upload whose caller goes away is cancelled", async () => {
    const { output } = await opened(server);
    const broken = async function* () {
      yield* parts(40, 256 * 1024);
      throw new Error("the caller has gone");
    };
    await expect(output.invokeStream("create", { key: "half" }, broken())).rejects.toThrow(
      "the caller has gone",
    );
    await expect(output.invoke("get", { key: "half" })).rejects.toThrow(missing);
  });

  test("the emulator's variable is followed, and nobody logs in there", async () => {
    vi.stubEnv("STORAGE_EMULATOR_HOST", server.url.replace("http://", ""));
    onTestFinished(() => void vi.unstubAllEnvs());
    const bucket = await makeBucket(server);
    await using output = await openOutput(bucketBinding, { bucket, project_id: "p" });
    await output.invoke("create", { key: "a" }, { data: "x" });
    expect(textOf(await output.invoke("get", { key: "a" }))).toBe("x");
  });
});

describeWith("fake-gcs", { own: true, only: ["POST /upload", "DELETE /upload"] }, (server) => {
  test("needs no permission beyond that of the operation", async () => {
    const properties = { bucket: "orders", projectID: "p", endpoint: server.url };
    await using output = await openOutput(bucketBinding, properties);
    await expect(output.ping()).resolves.toBeUndefined();
    await expect(output.invoke("get", { key: "a" })).rejects.toMatchObject({
      ...{ reason: "permission_denied", effect: "rejected", systemCode: "403" },
      message:
        "gcp bucketgcp bucket binding error while downloading object: googleapi: Error 403: The caller does not have the permission., forbidden",
    });
    // It was let through, and there is no such bucket.
    await expect(output.invoke("create", { key: "a" }, { data: "x" })).rejects.toMatchObject({
      reason: "not_found",
    });
  });
});

test("an aborted upload tells the server so", async () => {
  const server = await startLoopback(({ method, url }, response) => {
    if (method === "POST")
      response.setHeader("location", `http://${response.req.headers.host}/session?id=1`);
    if (method === "PUT" && url === "/session?id=1") response.writeHead(308);
    response.end();
  });
  onTestFinished(() => server[Symbol.asyncDispose]());
  const properties = { bucket: "orders", projectID: "p", endpoint: server.url };
  await using output = await openOutput(bucketBinding, properties);
  const upload = output.invokeStream("create", { key: "a" }, parts(48, 256 * 1024));
  await expect(upload).rejects.toMatchObject({
    message:
      "gcp bucket binding error while uploading: the upload has come to byte 0 instead of 2097152",
  });
  const calls = server.received.map(({ method, url }) => `${method} ${url}`);
  expect(calls.slice(-3)).toEqual([
    "POST /upload/storage/v1/b/orders/o?uploadType=resumable&name=a",
    "PUT /session?id=1",
    "DELETE /session?id=1",
  ]);
});

test("an upload goes on where the server says, and to no other server", async () => {
  const elsewhere = await startLoopback();
  const server = await startLoopback((_, response) => {
    response.writeHead(200, { location: `${elsewhere.url}/session` }).end();
  });
  onTestFinished(() => server[Symbol.asyncDispose]());
  onTestFinished(() => elsewhere[Symbol.asyncDispose]());
  const properties = { bucket: "orders", projectID: "p", endpoint: server.url };
  await using output = await openOutput(bucketBinding, properties);
  const upload = output.invokeStream("create", { key: "a" }, parts(48, 256 * 1024));
  await expect(upload).rejects.toThrow(/leads to another origin/);
  expect(elsewhere.received).toEqual([]);
});

import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import s3 from "../../../../src/bindings/aws/aws.s3/index.ts";
import { withClouds } from "../../../clouds.ts";
import { describeWith } from "../../../servers/describe-with.ts";
import { allBytes, openOutput, textOf, type OpenedOutput } from "../../opened-output.ts";
import { makeBucket } from "./moto-bucket.ts";

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const large = 8 * 1024 * 1024;

async function json(opened: OpenedOutput, operation: string, data: object, metadata = {}) {
  const answer = await opened.invoke(operation, metadata, { data: JSON.stringify(data) });
  return JSON.parse(textOf(answer) ?? "") as unknown;
}

async function gathered(body: AsyncIterable<Uint8Array> | undefined): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of body ?? []) parts.push(part);
  return Buffer.concat(parts);
}

async function* parts(...all: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* all;
}

function operations(server: { readonly url: string }, storageClass: string): void {
  test("create stores bytes as they are, get returns them, delete deletes them", async () => {
    const bucket = await makeBucket(server);
    await using output = await openOutput(s3, bucket.properties);
    const key = "a b/ü+&?#%.bin";
    const metadata = {
      ...{ key, "Content-Type": "application/x-shop", tags: "project=shop, year=2 026" },
      storageClass,
    };
    const created = await output.invoke("create", metadata, { data: allBytes });
    expect(JSON.parse(textOf(created) ?? "")).toEqual({
      ...{ location: `${server.url}/${bucket.bucket}/${key}`, versionID: null },
    });
    expect(created?.metadata).toEqual({ key });
    expect(await bucket.get(key)).toEqual(Buffer.from(allBytes));
    const head = await bucket.head(key);
    expect(head.get("content-type")).toBe("application/x-shop");
    expect(head.get("x-amz-storage-class")).toBe(storageClass);
    expect(await bucket.tags(key)).toMatch(/<Key>year<\/Key><Value>2 026<\/Value>/);
    expect((await output.invoke("get", { key }))?.data).toEqual(Buffer.from(allBytes));
    expect(await output.invoke("delete", { key })).toBeUndefined();
    await expect(output.invoke("get", { key })).rejects.toMatchObject({
      ...{ message: "object not found", reason: "not_found", effect: "rejected" },
    });
    expect(await output.invoke("delete", { key })).toBeUndefined();
  });

  test("create without a key makes one; JSON of Dapr's HTTP path means its text, or nothing", async () => {
    const bucket = await makeBucket(server);
    await using output = await openOutput(s3, bucket.properties);
    for (const [data, stored] of [
      ['"text ü"', "text ü"],
      ["null", ""],
      ['{"a": 1}', '{"a": 1}'],
    ] as const) {
      const answer = await output.invoke("create", {}, { data, encoding: "json" });
      expect(answer?.metadata?.["key"]).toMatch(uuid);
      expect(String(await bucket.get(answer?.metadata?.["key"] ?? ""))).toBe(stored);
    }
  });

  test("a payload in parts becomes one object, of one request or several", async () => {
    const bucket = await makeBucket(server);
    await using output = await openOutput(s3, bucket.properties);
    for (const size of [0, 10, large - 1, large, large + 1, 2 * large]) {
      const bytes = Buffer.alloc(size, "content of the object ");
      const halves = parts(bytes.subarray(0, size / 3), bytes.subarray(size / 3));
      await output.invokeStream("create", { key: "k" }, halves);
      expect((await bucket.get("k")).equals(bytes)).toBe(true);
      const answer = await output.invokeStream("get", { key: "k" }, parts());
      expect((await gathered(answer?.body)).equals(bytes)).toBe(true);
    }
    expect(await bucket.openUploads()).toBe(0);
  });

  test("an upload whose payload breaks off leaves nothing behind", async () => {
    const bucket = await makeBucket(server);
    await using output = await openOutput(s3, bucket.properties);
    async function* broken() {
      yield Buffer.alloc(large + 1);
      throw new Error("the caller has gone");
    }
    await expect(output.invokeStream("create", { key: "k" }, broken())).rejects.toThrow(
      "the caller has gone",
    );
    expect(await bucket.keys()).toEqual([]);
    expect(await bucket.openUploads()).toBe(0);
  });

  test("base64 is decoded and encoded where the component or the call says so", async () => {
    const bucket = await makeBucket(server);
    const base64 = Buffer.from(allBytes).toString("base64");
    await using output = await openOutput(s3, { ...bucket.properties, decodeBase64: "true" });
    await output.invoke("create", { key: "k" }, { data: base64 });
    expect(await bucket.get("k")).toEqual(Buffer.from(allBytes));
    expect(textOf(await output.invoke("get", { key: "k", encodeBase64: "true" }))).toBe(base64);
    const sent = parts(Buffer.from(base64.slice(0, 5)), Buffer.from(base64.slice(5)));
    await output.invokeStream("create", { key: "s" }, sent);
    expect(await bucket.get("s")).toEqual(Buffer.from(allBytes));
    const got = await output.invokeStream("get", { key: "s", encodeBase64: "true" }, parts());
    expect(String(await gathered(got?.body))).toBe(base64);
    await output.invoke("create", { key: "plain", decodeBase64: "false" }, { data: "a b" });
    expect(String(await bucket.get("plain"))).toBe("a b");
    const wrong = output.invoke("create", { key: "k" }, { data: "no base64!" });
    await expect(wrong).rejects.toMatchObject({ reason: "invalid_argument" });
  });

  test("a presigned URL opens the object to anybody", async () => {
    const bucket = await makeBucket(server);
    await using output = await openOutput(s3, bucket.properties);
    const metadata = { key: "a b", presignTTL: "15m" };
    const created = await output.invoke("create", metadata, { data: "content" });
    const { presignURL } = JSON.parse(textOf(created) ?? "") as { presignURL: string };
    expect(presignURL).toMatch(/\/a%20b\?X-Amz-Expires=900&.*X-Amz-Signature=[0-9a-f]{64}/);
    expect(await (await fetch(presignURL)).text()).toBe("content");
    const presigned = await output.invoke("presign", metadata);
    expect(JSON.parse(textOf(presigned) ?? "")).toEqual({
      presignURL: expect.stringContaining("X-Amz-Signature") as string,
    });
    await using other = await openOutput(s3, { ...bucket.properties, presignTTL: "1h" });
    expect(textOf(await other.invoke("presign", { key: "k" }))).toContain("X-Amz-Expires=3600");
  });

  test("list answers one page as Dapr's JSON", async () => {
    const bucket = await makeBucket(server);
    for (const key of ["a/1", "a/2", "b/1"]) await bucket.put(key, key);
    await using output = await openOutput(s3, bucket.properties);
    const all = (await json(output, "list", { prefix: "a/", maxResults: 1 })) as {
      Contents: Record<string, unknown>[];
      Marker: string | null;
    };
    // Some answer one that is empty.
    expect({ ...all, Marker: all.Marker || null }).toEqual({
      ...{ CommonPrefixes: null, Delimiter: null, EncodingType: "" },
      ...{ IsTruncated: true, Marker: null, MaxKeys: 1, Name: bucket.bucket },
      ...{ NextMarker: expect.anything(), Prefix: "a/", RequestCharged: "", ResultMetadata: {} },
      Contents: [
        {
          ...{ ChecksumAlgorithm: null, ChecksumType: "", Key: "a/1", RestoreStatus: null },
          ETag: expect.stringMatching(/^"[0-9a-f]{32}"$/) as string,
          LastModified: expect.stringMatching(
            /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/,
          ) as string,
          Owner: { DisplayName: expect.any(String) as string, ID: expect.any(String) as string },
          ...{ Size: 3, StorageClass: "STANDARD" },
        },
      ],
    });
    const next = (await json(output, "list", { prefix: "a/", marker: "a/1" })) as typeof all;
    expect(next.Contents.map(({ Key }) => Key)).toEqual(["a/2"]);
    const folders = await json(output, "list", { delimiter: "/" });
    expect(folders).toMatchObject({ CommonPrefixes: [{ Prefix: "a/" }, { Prefix: "b/" }] });
    for (const data of [undefined, "null"])
      expect(
        JSON.parse(textOf(await output.invoke("list", {}, data ? { data } : {})) ?? ""),
      ).toMatchObject({ MaxKeys: 1000 });
  });

  test("bulk operations say of each item what became of it", async () => {
    const bucket = await makeBucket(server);
    const localRoot = mkdtempSync(join(tmpdir(), "cufflink-s3-"));
    await using output = await openOutput(s3, { ...bucket.properties, localRoot });
    writeFileSync(join(localRoot, "in.txt"), "of the file");
    const items = [
      { key: "one", data: "1", contentType: "text/plain" },
      { key: "two", filePath: "in.txt" },
      { key: "" },
      { key: "nothing" },
      { key: "outside", filePath: "../../etc/hostname" },
    ];
    expect(await json(output, "bulkCreate", { items, concurrency: 2 })).toEqual([
      { key: "one", location: expect.stringMatching(/\/one$/) as string },
      { key: "two", location: expect.stringMatching(/\/two$/) as string },
      { key: "", error: "key is required" },
      { key: "nothing", error: "either data or filePath is required" },
      { key: "outside", error: expect.stringContaining("file not found") as string },
    ]);
    expect((await bucket.head("one")).get("content-type")).toBe("text/plain");
    expect(String(await bucket.get("two"))).toBe("of the file");
    const wanted = [{ key: "one" }, { key: "two", filePath: "new/out.txt" }, { key: "none" }];
    expect(await json(output, "bulkGet", { items: wanted })).toEqual([
      { key: "one", data: "1" },
      { key: "two" },
      { key: "none", error: "object not found" },
    ]);
    expect(readFileSync(join(localRoot, "new/out.txt"), "utf8")).toBe("of the file");
    expect(
      await json(output, "bulkGet", { items: [{ key: "one" }] }, { encodeBase64: "true" }),
    ).toEqual([{ key: "one", data: "MQ==" }]);
    const keys = ["one", "two", "one", " ", "none"];
    expect(await json(output, "bulkDelete", { keys })).toEqual([
      { key: "one" },
      { key: "two" },
      { key: "one" },
      { key: " ", error: "key is required" },
      { key: "none" },
    ]);
    expect(await bucket.keys()).toEqual([]);
  });

  test("a file of this machine is stored only from beneath localRoot", async () => {
    const bucket = await makeBucket(server);
    await using closed = await openOutput(s3, bucket.properties);
    await expect(closed.invoke("create", { filePath: "/etc/hostname" })).rejects.toMatchObject({
      ...{ reason: "failed_precondition", message: expect.stringContaining("localRoot") as string },
    });
    expect(await bucket.keys()).toEqual([]);
    const localRoot = mkdtempSync(join(tmpdir(), "cufflink-s3-"));
    writeFileSync(join(localRoot, "a.txt"), "of the file");
    await using open = await openOutput(s3, { ...bucket.properties, localRoot });
    await open.invoke("create", { key: "k", filePath: join(localRoot, "a.txt") });
    expect(String(await bucket.get("k"))).toBe("of the file");
  });

  test.each([
    ["get", {}, "", "s3 binding error: required metadata 'key' missing"],
    ["delete", { key: "" }, "", "s3 binding error: required metadata 'key' missing"],
    ["presign", { key: "k" }, "", "s3 binding error: required metadata 'presignTTL' missing"],
    ["presign", { key: "k", presignTTL: "169h" }, "", "presignTTL must be from 1s to 168h"],
    ["create", { tags: "a" }, "x", "invalid tag format: 'a' (expected key=value)"],
    ["create", { key: "a/../b" }, "x", "a segment that is . or .."],
    ["create", { key: "x".repeat(1025) }, "x", "longer than 1024 bytes"],
    ["create", { key: "k", "Content-Type": "a\r\nb" }, "x", "invalid header field value"],
    ["list", {}, "[]", "(List Operation) - unable to parse Data property"],
    ["list", {}, '{"maxResults":"many"}', "maxResults is no integer"],
    ["bulkGet", {}, "{}", "bulkGet requires at least one item"],
    ["bulkCreate", {}, '{"items":[]}', "bulkCreate requires at least one item"],
    ["bulkGet", {}, '{"items":[{"key":1}]}', "key is no string"],
    ["bulkGet", {}, '{"items":[{"key":"a"}],"concurrency":0}', "greater than 0, got 0"],
    ["bulkDelete", {}, '{"keys":[]}', "bulkDelete requires at least one key"],
    ["bulkDelete", {}, "nonsense", "invalid bulkDelete payload"],
  ])("%s %j with %j is refused: %s", async (operation, metadata, data, message) => {
    const bucket = await makeBucket(server);
    await using output = await openOutput(s3, bucket.properties);
    await expect(
      output.invoke(operation, metadata as Record<string, string>, { data }),
    ).rejects.toMatchObject({
      ...{ reason: "invalid_argument", effect: "rejected" },
      message: expect.stringContaining(message) as string,
    });
    expect(await bucket.keys()).toEqual([]);
  });

  test("a bucket that is not there is told at the first call, as with Dapr", async () => {
    const { properties } = await makeBucket(server);
    await using output = await openOutput(s3, { ...properties, bucket: "nowhere-at-all" });
    await expect(output.invoke("create", { key: "k" }, { data: "x" })).rejects.toMatchObject({
      ...{ reason: "not_found", systemCode: "NoSuchBucket", effect: "rejected" },
    });
  });
}

describeWith("moto", (server) => operations(server, "STANDARD_IA"));
if (withClouds) describeWith("minio", (server) => operations(server, "REDUCED_REDUNDANCY"));

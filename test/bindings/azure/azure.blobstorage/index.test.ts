import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import blobStorage from "../../../../src/bindings/azure/azure.blobstorage/index.ts";
import { azuriteAccount } from "../../../servers/azurite.ts";
import { describeWith } from "../../../servers/describe-with.ts";
import { allBytes, openOutput, textOf } from "../../opened-output.ts";
import { blobProperties, makeContainer } from "../blob-container.ts";
import { fakeStorage, refusal } from "../fake-storage.ts";

const mebibyte = 1024 * 1024;

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "cufflink-blobs-"));
  onTestFinished(() => rm(path, { recursive: true }));
  return path;
}

async function* inParts(total: number, part: number): AsyncGenerator<Uint8Array> {
  for (let sent = 0; sent < total; sent += part)
    yield Buffer.alloc(Math.min(part, total - sent), (sent / part) % 251);
}

async function digestOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const digest = createHash("sha256");
  for await (const part of body) digest.update(part);
  return digest.digest("hex");
}

describeWith("azurite-blob", (server) => {
  const opened = async (more: Record<string, string> = {}) => {
    const { container, properties } = await makeContainer(server);
    const output = await openOutput(blobStorage, { ...properties, ...more });
    onTestFinished(async () => output[Symbol.asyncDispose]());
    return { container, output };
  };

  test("makes the container, and stores what is given as Dapr does", async () => {
    const { container, properties } = await makeContainer(server, { create: false });
    await using output = await openOutput(blobStorage, properties);
    const metadata = {
      ...{ blobName: "a/b c.txt", contentType: "text/plain", cacheControl: "no-cache" },
      ...{ contentMD5: createHash("md5").update("hello").digest("base64") },
      ...{ "Custom-Key": "grün\u0007 x", traceparent: "00-1" },
    };
    const answer = await output.invoke("create", metadata, { data: '"hello"' });
    expect(answer?.metadata).toEqual({ blobName: "a/b c.txt" });
    expect(JSON.parse(textOf(answer) ?? "")).toEqual({
      blobURL: `${container.url}/a%2Fb%20c.txt`,
      blobName: "a/b c.txt",
    });
    const found = await container.getBlobClient("a/b c.txt").getProperties();
    expect(found).toMatchObject({
      ...{ contentType: "text/plain", cacheControl: "no-cache", contentLength: 5 },
      metadata: { customkey: "grn x", traceparent: "00-1" },
    });
    const read = await output.invoke("get", { blobName: "a/b c.txt", includeMetadata: "1" });
    expect(read?.metadata).toEqual({ Customkey: "grn x", Traceparent: "00-1" });
    expect(textOf(read)).toBe("hello");
  });

  test("stores and returns every byte, in one or in parts", async () => {
    const { output } = await opened();
    await output.invoke("create", { blobName: "whole" }, { data: allBytes });
    expect(Buffer.from((await output.invoke("get", { blobName: "whole" }))?.data ?? [])).toEqual(
      Buffer.from(allBytes),
    );
    await output.invoke("create", { blobName: "empty" });
    expect((await output.invoke("get", { blobName: "empty" }))?.data).toHaveLength(0);
    const size = 9 * mebibyte + 17;
    await output.invokeStream("create", { blobName: "large" }, inParts(size, 100_000));
    const got = await output.invokeStream("get", { blobName: "large" }, inParts(0, 1));
    expect(await digestOf(got?.body ?? inParts(0, 1))).toBe(await digestOf(inParts(size, 100_000)));
    await output.invokeStream("create", { blobName: "none" }, inParts(0, 1));
    expect((await output.invoke("get", { blobName: "none" }))?.data).toHaveLength(0);
  });

  test("a payload that ends early, or has another MD5, leaves the old blob", async () => {
    const { container, output } = await opened();
    await output.invoke("create", { blobName: "kept" }, { data: "old" });
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield* inParts(5 * mebibyte, mebibyte);
      throw new Error("the caller has gone");
    }
    await expect(output.invokeStream("create", { blobName: "kept" }, broken())).rejects.toThrow();
    await expect(output.invokeStream("create", { blobName: "new" }, broken())).rejects.toThrow();
    const contentMD5 = createHash("md5").update("other").digest("base64");
    const wrong = { reason: "invalid_argument", systemCode: "Md5Mismatch" };
    await expect(
      output.invokeStream("create", { blobName: "new", contentMD5 }, inParts(10, 3)),
    ).rejects.toMatchObject(wrong);
    await expect(
      output.invoke("create", { blobName: "new", contentMD5 }, { data: "x" }),
    ).rejects.toMatchObject({ reason: "invalid_argument", effect: "rejected" });
    const names: string[] = [];
    for await (const { name } of container.listBlobsFlat()) names.push(name);
    expect(names).toEqual(["kept"]);
    expect(textOf(await output.invoke("get", { blobName: "kept" }))).toBe("old");
  });

  test("decodes base64, whole and in parts", async () => {
    const { output } = await opened({ decodeBase64: "true" });
    const text = Buffer.from(allBytes).toString("base64");
    await output.invoke("create", { blobName: "a" }, { data: text });
    async function* parts(): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < text.length; at += 7) yield Buffer.from(text.slice(at, at + 7));
    }
    await output.invokeStream("create", { blobName: "b" }, parts());
    for (const blobName of ["a", "b"]) {
      const { data } = (await output.invoke("get", { blobName })) ?? {};
      expect(Buffer.from(data ?? [])).toEqual(Buffer.from(allBytes));
    }
    await expect(output.invoke("create", {}, { data: "no base64!" })).rejects.toThrow(
      "illegal base64 data",
    );
  });

  test("lists by pages, with the marker of the last request", async () => {
    const { output } = await opened();
    for (const blobName of ["a/1", "a/2", "a/3", "b/1"])
      await output.invoke("create", { blobName, mark: "x" }, { data: blobName });
    const all = await output.invoke("list", {}, { data: '{"include":{"metadata":true}}' });
    const items = JSON.parse(textOf(all) ?? "") as { Name: string; Metadata: object }[];
    expect(items.map(({ Name }) => Name)).toEqual(["a/1", "a/2", "a/3", "b/1"]);
    expect(items[0]).toMatchObject({
      ...{ Metadata: { Mark: "x" }, Snapshot: null, VersionID: null },
      Properties: { BlobType: "BlockBlob", ContentLength: 3, CopyID: null },
    });
    expect(all?.metadata).toEqual({ marker: "", number: "4", pagesTraversed: "1" });
    const two = await output.invoke("list", {}, { data: '{"prefix":"a/","maxResults":2}' });
    expect(two?.metadata).toMatchObject({ number: "2", pagesTraversed: "1", marker: "" });
    expect(textOf(await output.invoke("list", {}, { data: '{"prefix":"none"}' }))).toBe("[]");
  });

  test("a signed URL reads the blob, and nothing else", async () => {
    const { output } = await opened();
    const metadata = { blobName: "a b/ü", signTTL: "15m" };
    const made = await output.invoke("create", metadata, { data: "signed" });
    const again = await output.invoke("presign", metadata);
    for (const answer of [made, again]) {
      const { presignURL } = JSON.parse(textOf(answer) ?? "") as { presignURL: string };
      expect(await (await fetch(presignURL)).text()).toBe("signed");
      expect((await fetch(presignURL.replace("sig=", "sig=x"))).status).toBe(403);
    }
  });

  test("deletes, with snapshots if it is told to", async () => {
    const { container, output } = await opened();
    await output.invoke("create", { blobName: "a" }, { data: "x" });
    await container.getBlobClient("a").createSnapshot();
    await expect(output.invoke("delete", { blobName: "a" })).rejects.toMatchObject({
      ...{ reason: "failed_precondition", systemCode: "SnapshotsPresent" },
    });
    expect(await output.invoke("delete", { blobName: "a", deleteSnapshots: "include" })).toBe(
      undefined,
    );
    await expect(output.invoke("delete", { blobName: "a" })).rejects.toThrow(/^blob not found$/);
  });

  test("in bulk, what fails is told of each alone", async () => {
    const { output } = await opened();
    const data = JSON.stringify({
      items: [
        { blobName: "in/a", data: "A", contentType: "text/plain" },
        { blobName: "in/b", data: "B" },
        { blobName: "..", data: "C" },
      ],
    });
    const created = await output.invoke("bulkCreate", {}, { data });
    expect(created?.metadata).toEqual({ number: "3" });
    expect(JSON.parse(textOf(created) ?? "")).toEqual([
      { blobName: "in/a", blobURL: expect.stringContaining("in%2Fa") as string },
      { blobName: "in/b", blobURL: expect.stringContaining("in%2Fb") as string },
      { blobName: "..", error: "a blob cannot have the name .." },
    ]);
    const items = [{ blobName: "in/a" }, { blobName: "none" }];
    const got = await output.invoke("bulkGet", {}, { data: JSON.stringify({ items }) });
    expect(JSON.parse(textOf(got) ?? "")).toEqual([
      { blobName: "in/a", data: "QQ==" },
      { blobName: "none", error: "blob not found" },
    ]);
    const removed = await output.invoke("bulkDelete", {}, { data: '{"prefix":"in/"}' });
    expect(JSON.parse(textOf(removed) ?? "")).toEqual([{ blobName: "in/a" }, { blobName: "in/b" }]);
  });

  test("files lie beneath localRoot, and without it no call names one", async () => {
    const localRoot = await folder();
    const { output } = await opened({ localRoot });
    await writeFile(join(localRoot, "source"), "from a file");
    const items = [{ blobName: "../../x/a", sourcePath: "/source" }];
    await output.invoke("bulkCreate", {}, { data: JSON.stringify({ items }) });
    const got = await output.invoke("get", { blobName: "../../x/a", filePath: "../out/a" });
    expect(got).toMatchObject({ metadata: { filePath: "../out/a" } });
    expect(await readFile(join(localRoot, "out/a"), "utf8")).toBe("from a file");
    const data = JSON.stringify({ prefix: "../", destinationDir: "all" });
    await output.invoke("bulkGet", {}, { data });
    expect(await readFile(join(localRoot, "all/x/a"), "utf8")).toBe("from a file");
    await expect(output.invoke("get", { blobName: "none", filePath: "none" })).rejects.toThrow(
      "blob not found",
    );
    await expect(stat(join(localRoot, "none"))).rejects.toThrow("ENOENT");
    const { output: without } = await opened();
    for (const call of [
      without.invoke("get", { blobName: "a", filePath: "a" }),
      without.invoke("bulkCreate", {}, { data: JSON.stringify({ items }) }),
      without.invoke("bulkGet", {}, { data: '{"items":[{"blobName":"a","filePath":"b"}]}' }),
    ])
      await expect(call).rejects.toThrow("set localRoot to the folder that calls may use");
  });

  test("a shared access signature that allows writing alone is enough to write", async () => {
    const { container, properties } = await makeContainer(server);
    const url = await container.generateSasUrl({
      // oxlint-disable-next-line typescript/no-unsafe-assignment -- the client's own type of permissions
      permissions: (await import("@azure/storage-blob")).ContainerSASPermissions.parse("c"),
      expiresOn: new Date(Date.now() + 600_000),
    });
    const account = `${server.url}/${azuriteAccount.name}`;
    const signature = url.slice(url.indexOf("?") + 1);
    await using output = await openOutput(blobStorage, {
      connectionString: `BlobEndpoint=${account};SharedAccessSignature=${signature}`,
      containerName: properties["containerName"] ?? "",
    });
    await output.invoke("create", { blobName: "new" }, { data: "x" });
    await expect(output.ping()).rejects.toMatchObject({ effect: "rejected" });
    await expect(output.invoke("presign", { blobName: "new", signTTL: "1m" })).rejects.toThrow(
      "ensure the binding is configured with an account key",
    );
  });

  test.each<[string, Record<string, string>, string | undefined, RegExp]>([
    ["get", {}, undefined, /^blobName is a required attribute$/],
    ["get", { blobName: "x", includeMetadata: "maybe" }, undefined, /^error parsing metadata: /],
    ["delete", {}, undefined, /^blobName is a required attribute$/],
    ["delete", { blobName: "x", deleteSnapshots: "all" }, undefined, /allowed: \[include only\]$/],
    ["presign", { blobName: "x" }, undefined, /^signTTL is a required attribute for presign/],
    ["presign", { blobName: "x", signTTL: "5" }, undefined, /cannot parse signTTL duration "5"/],
    ["create", { signTTL: "-5m" }, "x", /signTTL must be a positive duration, got "-5m"$/],
    ["create", { contentMD5: "x" }, "x", /^the MD5 value specified in Content MD5 is invalid/],
    ["create", { contentType: "grün" }, "x", /^contentType must be ASCII/],
    ["list", {}, "no JSON", /the data is no JSON/],
    ["list", {}, '{"maxResults":"x"}', /maxResults must be an integer/],
    ["bulkGet", {}, "{}", /^at least one of items or prefix is required$/],
    ["bulkGet", {}, '{"prefix":"x"}', /^destinationDir is required when using prefix$/],
    ["bulkGet", {}, '{"concurrency":0}', /^concurrency must be greater than 0$/],
    ["bulkCreate", {}, "{}", /^items array must not be empty$/],
    ["bulkCreate", {}, '{"items":[{"data":"x"}]}', /^item at index 0 is missing blobName$/],
    ["bulkCreate", {}, '{"items":[{"blobName":"x"}]}', /missing both data and sourcePath$/],
    ["bulkDelete", {}, undefined, /^at least one of prefix or blobNames is required$/],
    ["bulkDelete", {}, '{"blobNames":"x"}', /blobNames must be an array of texts/],
  ])("%s with %j and %j is refused", async (operation, metadata, data, text) => {
    await using output = await openOutput(blobStorage, blobProperties(server, "refused"));
    const options = data === undefined ? {} : { data };
    const failure = { effect: "rejected", message: expect.stringMatching(text) as unknown };
    await expect(output.invoke(operation, metadata, options)).rejects.toMatchObject(failure);
  });
});

describe("a component", () => {
  const at = { ...blobProperties({ url: "http://127.0.0.1:1" }, "orders") };

  test.each<[Record<string, string>, string]>([
    [{ accountName: "" }, "missing or empty accountName field from metadata"],
    [{ publicAccessLevel: "all" }, "invalid public access level: all; allowed: [blob container]"],
    [{ containerName: "../x" }, "containerName may have letters"],
    [{ connectionString: "AccountName=x" }, "neither AccountKey nor SharedAccessSignature"],
  ])("with %j is refused", async (more, text) => {
    await expect(openOutput(blobStorage, { ...at, ...more })).rejects.toThrow(text);
  });

  test("needs no permission beyond its operations", async () => {
    const server = await fakeStorage((method, path) =>
      method === "PUT" && path === "/orders/a"
        ? { status: 201 }
        : { status: 403, body: refusal("AuthorizationPermissionMismatch") },
    );
    await using output = await openOutput(blobStorage, blobProperties(server, "orders"));
    await output.invoke("create", { blobName: "a" }, { data: "x" });
    await expect(output.ping()).rejects.toMatchObject({ effect: "rejected" });
  });
});

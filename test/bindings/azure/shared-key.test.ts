import {
  BlobSASPermissions,
  BlobServiceClient,
  generateBlobSASQueryParameters,
  StorageSharedKeyCredential,
} from "@azure/storage-blob";
import {
  QueueServiceClient,
  StorageSharedKeyCredential as QueueSharedKeyCredential,
} from "@azure/storage-queue";
import { expect, onTestFinished, test, vi } from "vitest";
import { presignedUrl } from "../../../src/bindings/azure/azure.blobstorage/presign.ts";
import {
  authorization,
  readSharedKey,
  stringToSign,
} from "../../../src/bindings/azure/shared-key.ts";
import { startLoopback } from "../http/loopback-server.ts";

// The examples of "Authorize with Shared Key" in the reference of Azure Storage.
test("the string to sign is that of Azure's reference", () => {
  const metadata = stringToSign("myaccount", {
    method: "GET",
    path: "/mycontainer",
    query: { restype: "container", comp: "metadata", timeout: "20" },
    headers: { "x-ms-version": "2015-02-21", "x-ms-date": "Fri, 26 Jun 2015 23:39:12 GMT" },
    contentLength: 0,
  });
  expect(metadata).toBe(
    "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\nx-ms-version:2015-02-21\n/myaccount/mycontainer\ncomp:metadata\nrestype:container\ntimeout:20",
  );
  const put = stringToSign("myaccount", {
    method: "PUT",
    path: "/mycontainer/hello.txt",
    query: {},
    headers: {
      "content-type": "text/plain; charset=UTF-8",
      "x-ms-blob-type": "BlockBlob",
      "x-ms-date": "Sun, 20 Sep 2009 20:36:40 GMT",
      "x-ms-meta-m1": "v1 ",
      "x-ms-meta-m2": "v2",
      "x-ms-version": "2009-09-19",
    },
    contentLength: 11,
  });
  expect(put).toBe(
    "PUT\n\n\n11\n\ntext/plain; charset=UTF-8\n\n\n\n\n\n\nx-ms-blob-type:BlockBlob\nx-ms-date:Sun, 20 Sep 2009 20:36:40 GMT\nx-ms-meta-m1:v1\nx-ms-meta-m2:v2\nx-ms-version:2009-09-19\n/myaccount/mycontainer/hello.txt",
  );
});

const account = "shop";
const secret = Buffer.from("a key of the account").toString("base64");

/** What a client of Azure's own SDK sends, whatever it makes of the answers. */
async function sentBy(use: (url: string) => Promise<unknown>) {
  const server = await startLoopback((_request, response) => response.writeHead(404).end());
  onTestFinished(() => server[Symbol.asyncDispose]());
  await use(`${server.url}/${account}`).catch(() => undefined);
  expect(server.received.length).toBeGreaterThan(0);
  return server.received;
}

/** The retries of the SDK take seconds. */
const once = { retryOptions: { maxTries: 1 } };
const blobs = ["hello.txt", "a b/ü+%.txt", "!'()*~,;=:@&$", "\u{1f600}/#?x=1", "a//b"];

test.each([
  ...blobs.flatMap((name): [string, (url: string) => Promise<unknown>][] => {
    const blob = (url: string) =>
      new BlobServiceClient(url, new StorageSharedKeyCredential(account, secret), once)
        .getContainerClient("orders")
        .getBlockBlobClient(name);
    return [
      [
        `put ${name}`,
        (url) => blob(url).upload("grün", 5, { metadata: { Two: "a  b ", one: "1" } }),
      ],
      [`get ${name}`, (url) => blob(url).download(0, 10)],
      [`delete ${name}`, (url) => blob(url).delete({ deleteSnapshots: "include" })],
      [`stage a block of ${name}`, (url) => blob(url).stageBlock("YSs/Lz0=", "x", 1)],
    ];
  }),
  [
    "list blobs",
    async (url) => {
      const credential = new StorageSharedKeyCredential(account, secret);
      const container = new BlobServiceClient(url, credential, once).getContainerClient("orders");
      const pages = container
        .listBlobsFlat({ prefix: "a b+/ü&=%", includeMetadata: true })
        .byPage();
      return pages.next();
    },
  ],
  [
    "take messages",
    (url) => {
      const credential = new QueueSharedKeyCredential(account, secret);
      return new QueueServiceClient(url, credential, once)
        .getQueueClient("orders")
        .receiveMessages({ numberOfMessages: 32, visibilityTimeout: 30 });
    },
  ],
  [
    "send a message",
    (url) => {
      const credential = new QueueSharedKeyCredential(account, secret);
      const queue = new QueueServiceClient(url, credential, once).getQueueClient("orders");
      return queue.sendMessage("grün & <x>", { messageTimeToLive: 60 });
    },
  ],
])("what Azure's own SDK sends to %s has the signature that is made here", async (_title, use) => {
  for (const { method = "", url = "", headers, body } of await sentBy(use)) {
    const [path = "", query = ""] = url.split("?");
    const signed = authorization(readSharedKey(account, secret), {
      ...{ method, path, query: Object.fromEntries(new URLSearchParams(query)) },
      headers: Object.fromEntries(
        Object.entries(headers).map(([name, value]) => [name, String(value)]),
      ),
      contentLength: body.length,
    });
    expect(signed).toBe(headers.authorization);
  }
});

test.each(blobs)("the URL to read %s is the one that Azure's own SDK makes", (blobName) => {
  vi.useFakeTimers({ toFake: ["Date"], now: new Date("2026-01-31T10:00:00Z") });
  onTestFinished(() => void vi.useRealTimers());
  const made = presignedUrl({
    ...{ sharedKey: readSharedKey(account, secret), container: "orders", blob: blobName },
    ...{ url: "https://shop.blob.core.windows.net/x", signTTL: "15m" },
  });
  const theirs = generateBlobSASQueryParameters(
    {
      ...{ containerName: "orders", blobName, permissions: BlobSASPermissions.parse("r") },
      ...{ expiresOn: new Date("2026-01-31T10:15:00Z"), version: "2021-12-02" },
    },
    new StorageSharedKeyCredential(account, secret),
  );
  const words = (text: string) => Object.fromEntries(new URLSearchParams(text));
  expect(words(made.split("?")[1] ?? "")).toEqual(words(theirs.toString()));
});

import { objectEventMetadata } from "../../../object-source/object.ts";
import { randomUUID } from "node:crypto";
import { BindingError } from "../../../errors.ts";
import type { Questions } from "../../../examination.ts";
import { defineBinding } from "../../../binding.ts";
import type { Answer, StreamAnswer } from "../../../binding.ts";
import { problemsOf } from "../../../check-settings.ts";
import { chainDriverVersions, needsAwsDriver } from "../../../identity/aws/identity.ts";
import { LocalRoot } from "../../../local-files/local-root.ts";
import type { MemoryShare } from "../../../memory/budget.ts";
import { decodedParts, encodedParts } from "../../../text/base64-parts.ts";
import { checkMetadata } from "../settings.ts";
import type { Queue } from "../sqs-queue.ts";
import { Bucket, type Put, type Stored } from "./bucket.ts";
import { bulkCreate, bulkDelete, bulkGet } from "./bulk.ts";
import { inWordsOfDapr, invalid } from "./failures.ts";
import { requestFields, s3Fields, type S3Metadata } from "./fields.ts";
import { listAsDapr, listingOf } from "./listing.ts";
import { checkBucket, taggingOf } from "./names.ts";
import { checkInput, openQueue, readNotifications } from "./notifications.ts";
import { contentOf, decoded } from "./payload.ts";
import { readListing } from "./source.ts";
import { upload } from "./upload.ts";

/** What calls of one component use. */
export type Connection = AsyncDisposable & {
  readonly bucket: Bucket;
  /** The queue of notifications, of an input that has one. */
  readonly queue: Queue | undefined;
  readonly files: LocalRoot;
  readonly memory: MemoryShare;
};

/** Seconds; the longest that a signature of AWS is good. */
const longestPresign = 604_800;

/** Stores objects in a bucket of Amazon S3, or of a store that speaks its protocol, and reads those that come. */
export default defineBinding({
  name: "aws.s3",
  status: "beta",
  summary: "Stores, reads, lists and deletes objects of an S3 bucket, and reads those that come.",
  provedBy: [
    { system: "moto", kind: "emulator" },
    { system: "MinIO", kind: "emulator" },
  ],
  drivers: chainDriverVersions,
  needsDriver: needsAwsDriver,
  inputIsOptional: true,
  metadata: s3Fields,

  check: (metadata, { input }) =>
    problemsOf([
      () => checkMetadata(metadata),
      () => checkBucket(metadata.bucket),
      () => input && checkInput(metadata),
    ]),

  async open({
    metadata,
    memory,
    driver,
    hide,
    directions,
    signal,
    examines,
  }): Promise<Connection> {
    if (directions.input) checkInput(metadata);
    const opening = { metadata, memory, driver, ...(hide ? { hide } : {}) };
    await using opened = new AsyncDisposableStack();
    const bucket = opened.use(await Bucket.open(opening));
    const queue = directions.input ? await openQueue(opening, signal) : undefined;
    if (queue !== undefined) opened.use(queue);
    const files = await LocalRoot.open(metadata.localRoot, memory, !examines);
    const open = opened.move();
    return { bucket, queue, files, memory, [Symbol.asyncDispose]: () => open.disposeAsync() };
  },

  async examine({ bucket, queue }, { metadata, directions, signal, ask }) {
    await examineBucket(() => bucket.list("ListObjectsV2", { "max-keys": "1" }, signal), {
      ...{ name: metadata.bucket, isRead: directions.input, ask },
    });
    if (queue !== undefined)
      await ask("exists", "the queue of notifications", () => queue.find(signal));
  },

  operations: {
    create: {
      description:
        "Stores the data, or a file, as an object, and returns its place. The response metadata `key` is its key.",
      request: requestFields.create,
      // Without a key each attempt would store an object of its own.
      idempotent: ({ key }) => Boolean(key),
      async invoke({ bucket, files }, { data, encoding, request, metadata, signal }) {
        const key = request.key || randomUUID();
        const isBase64 = request.decodeBase64 ?? metadata.decodeBase64;
        const filePath = request.filePath || metadata.filePath;
        const put = putOf(request, metadata);
        if (filePath) {
          const parts = files.parts("filePath", filePath);
          const content = isBase64 ? decodedParts(parts) : parts;
          return created(bucket, key, upload(bucket, key, content, put, signal), request, metadata);
        }
        const plain = contentOf(data, encoding);
        const bytes = isBase64 ? decoded(plain) : plain;
        return created(bucket, key, bucket.put(key, bytes, put, signal), request, metadata);
      },
      async invokeStream({ bucket }, { body, request, metadata, signal }) {
        const key = request.key || randomUUID();
        if (request.filePath) throw invalid("a payload in parts and filePath exclude each other");
        const isBase64 = request.decodeBase64 ?? metadata.decodeBase64;
        const content = isBase64 ? decodedParts(body) : body;
        const stored = upload(bucket, key, content, putOf(request, metadata), signal);
        return created(bucket, key, stored, request, metadata);
      },
    },

    get: {
      description: "Returns the content of an object.",
      request: requestFields.get,
      idempotent: true,
      async invoke({ bucket }, { request, metadata, signal }) {
        const key = demand("key", request.key);
        const { versionId, encodeBase64 = metadata.encodeBase64 } = request;
        const body = await inWordsOfDapr(
          "error downloading S3 object",
          bucket.get(key, signal, { versionId }),
        );
        return { data: encodeBase64 ? Buffer.from(body.toString("base64")) : body };
      },
      async invokeStream({ bucket }, { request, metadata, signal }): Promise<StreamAnswer> {
        const key = demand("key", request.key);
        const { versionId, encodeBase64 = metadata.encodeBase64 } = request;
        const { body } = await inWordsOfDapr(
          "error downloading S3 object",
          bucket.stream(key, signal, versionId),
        );
        return { body: encodeBase64 ? encodedParts(body) : body };
      },
    },

    delete: {
      description: "Deletes an object; one that is not there is no failure, as S3 has it.",
      request: requestFields.delete,
      idempotent: true,
      async invoke({ bucket }, { request, signal }) {
        const key = demand("key", request.key);
        const { versionId } = request;
        await inWordsOfDapr("delete operation failed", bucket.delete(key, signal, { versionId }));
      },
    },

    list: {
      description:
        "Lists objects. The data, JSON, may name `marker`, `prefix`, `maxResults` (1,000) and `delimiter`. Returns S3's answer as JSON.",
      request: requestFields.list,
      idempotent: true,
      async invoke({ bucket }, { data, signal }) {
        const listed = listAsDapr(bucket, listingOf(data), signal);
        return { data: await inWordsOfDapr("list operation failed", listed) };
      },
    },

    presign: {
      description: "Returns a URL with which anybody may read the object for a time.",
      request: requestFields.presign,
      idempotent: true,
      async invoke({ bucket }, { request, metadata }) {
        const key = demand("key", request.key);
        const ttl = demand("presignTTL", request.presignTTL ?? metadata.presignTTL);
        return { data: json({ presignURL: await presigned(bucket, key, ttl) }) };
      },
    },

    bulkGet: {
      description:
        "Reads several objects. The data is JSON: `items`, each with `key` and perhaps `filePath`, and `concurrency` (10). Returns an array with what became of each.",
      request: requestFields.bulkGet,
      idempotent: true,
      async invoke(connection, { data, request, metadata, signal }) {
        const isBase64 = request.encodeBase64 ?? metadata.encodeBase64;
        return { data: await bulkGet({ ...connection, data, isBase64, signal }) };
      },
    },

    bulkCreate: {
      description:
        "Stores several objects. The data is JSON: `items`, each with `key`, `data` or `filePath`, and perhaps `contentType`, and `concurrency` (10). Returns an array with what became of each.",
      request: requestFields.bulkCreate,
      idempotent: true,
      async invoke(connection, { data, request, metadata, signal }) {
        const isBase64 = request.decodeBase64 ?? metadata.decodeBase64;
        return { data: await bulkCreate({ ...connection, data, isBase64, signal }, {}) };
      },
    },

    bulkDelete: {
      description:
        "Deletes several objects. The data is JSON: `keys`. Returns an array with what became of each.",
      request: requestFields.bulkDelete,
      idempotent: true,
      async invoke({ bucket }, { data, signal }) {
        return { data: await bulkDelete({ bucket, data, signal }) };
      },
    },
  },

  eventMetadata: objectEventMetadata,

  guarantee: {
    returned:
      "stays in the bucket and comes with a later listing, or its notification is visible again",
    atLeastOnce:
      "the object is in the bucket, and its notification, where it is read by those, in the queue",
    shared: "with `notificationQueue`",
    duplicates: {
      app: "what the app has: `maxInFlight` (64)",
      runtime:
        "what the app has, and what was handled and not put away yet: `maxInFlight` and 64 (128)",
      server:
        "none while the runtime lives; one that ends while the bucket does not answer: what was handled and not put away yet (128)",
    },
  },

  isShared: ({ notificationQueue }) => Boolean(notificationQueue),

  read: ({ bucket, queue }, reading) =>
    queue === undefined ? readListing(bucket, reading) : readNotifications(bucket, queue, reading),
});

function putOf(
  request: {
    readonly "Content-Type"?: string | undefined;
    readonly tags?: string | undefined;
    readonly storageClass?: string | undefined;
  },
  metadata: S3Metadata,
): Put {
  return {
    contentType: request["Content-Type"]?.trim(),
    tagging: request.tags === undefined ? undefined : taggingOf(request.tags),
    storageClass: request.storageClass || metadata.storageClass,
  };
}

async function created(
  bucket: Bucket,
  key: string,
  storing: Promise<Stored>,
  request: { readonly presignTTL?: number | undefined },
  metadata: S3Metadata,
): Promise<Answer & { data: Buffer }> {
  const ttl = request.presignTTL ?? metadata.presignTTL;
  const { location, versionId } = await inWordsOfDapr("uploading failed", storing);
  const presign = ttl === undefined ? {} : { presignURL: await presigned(bucket, key, ttl) };
  return { data: json({ location, versionID: versionId ?? null, ...presign }), metadata: { key } };
}

async function presigned(bucket: Bucket, key: string, ttl: number): Promise<string> {
  const seconds = Math.round(ttl / 1000);
  if (seconds < 1 || seconds > longestPresign)
    throw invalid("presignTTL must be from 1s to 168h, as long as a signature of AWS is good");
  return bucket.presign(key, seconds);
}

function demand<Value>(name: string, value: Value | undefined): Value {
  if (value !== undefined && value !== "") return value;
  throw invalid(`required metadata '${name}' missing`);
}

function json(value: object): Buffer {
  return Buffer.from(JSON.stringify(value));
}

/** One listing tells of the log-in, of the bucket, and of the right to list, which is not needed to write. */
async function examineBucket(
  list: () => Promise<unknown>,
  { name, isRead, ask }: { name: string; isRead: boolean; ask: Questions["ask"] },
): Promise<void> {
  let failure: BindingError | undefined;
  const answered = await ask("reachable", "", async () => {
    try {
      await list();
    } catch (error) {
      failure = BindingError.from(error, "unavailable", "unsent");
      if (failure.reason === "unavailable") throw failure;
    }
  });
  if (!answered) return;
  const answer = (): void => {
    if (failure !== undefined) throw failure;
  };
  await ask("authenticated", "", () => {
    if (failure?.reason === "unauthenticated") throw failure;
  });
  await ask("exists", `bucket ${name}`, answer);
  if (isRead) await ask("may read", "ListObjectsV2", answer);
}

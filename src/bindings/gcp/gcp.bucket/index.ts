import { objectEventMetadata } from "../../../object-source/object.ts";
import { randomUUID } from "node:crypto";
import { defineBinding } from "../../../binding.ts";
import { problemsOf } from "../../../check-settings.ts";
import { BindingError } from "../../../errors.ts";
import { Identity, identityDrivers, needsLibrary } from "../../../identity/gcp/identity.ts";
import { parseDuration } from "../../../metadata/duration.ts";
import { goUnquote } from "../../../text/go-unquote.ts";
import { authoritiesOf } from "../../../tls/pem.ts";
import { examineEntity } from "../examine-entity.ts";
import { fullName } from "../names.ts";
import { checkBucket, checkKey, objectPath } from "../object-paths.ts";
import { placeOf, type Place } from "../place.ts";
import { StorageClient } from "../storage-client.ts";
import { examineBucket, type Wanted } from "./examine.ts";
import { decoded, encoded } from "./base64.ts";
import {
  bucketFields,
  bulkGetFields,
  createFields,
  getFields,
  keyFields,
  signFields,
  type BucketMetadata,
} from "./fields.ts";
import {
  checkInput,
  notificationPlace,
  openNotifications,
  readNotifications,
} from "./notifications.ts";
import { bulkGet, copy, list, prefixedBy } from "./objects.ts";
import { payloadOf } from "./payload.ts";
import { urlToSign } from "./signed-url.ts";
import { readListing } from "./source.ts";
import { store, storeParts } from "./upload.ts";

const scopes = [
  "https://www.googleapis.com/auth/cloud-platform",
  "https://www.googleapis.com/auth/devstorage.full_control",
];
const longestTtl = 7 * 24 * 3600;
const mostListed = 1_000;
const uploading = "gcp bucket binding error while uploading: ";

export default defineBinding({
  name: "gcp.bucket",
  status: "beta",
  summary:
    "Stores, reads, lists, copies and signs objects of Google Cloud Storage, and reads those that come.",
  provedBy: [
    { system: "fake-gcs-server", kind: "emulator" },
    { system: "Pub/Sub (pstest)", kind: "emulator" },
  ],
  drivers: identityDrivers,
  inputIsOptional: true,
  metadata: bucketFields,

  needsDriver: (_name, metadata) =>
    places(metadata).some(({ credentials }) => credentials === "all") && needsLibrary(metadata),

  check: async (metadata, { input }) =>
    problemsOf([() => checkBucket(metadata.bucket), () => input && checkInput(metadata)]),

  async open({ metadata, directions, memory, hide, driver, signal }) {
    checkBucket(metadata.bucket);
    if (directions.input) checkInput(metadata);
    const where = place(metadata);
    const caCert = await authoritiesOf(metadata.caCert);
    const isAnonymous =
      where.credentials === "none" || (where.credentials === "fields" && !metadata.privateKeyID);
    const identity = isAnonymous
      ? undefined
      : await Identity.open({ credentials: metadata, scopes, memory, hide, driver }, signal);
    await using opened = new AsyncDisposableStack();
    const client = await StorageClient.open({ place: where, identity, ca: caCert, memory });
    opened.use(client);
    await client.ping(signal);
    const opening = { metadata, caCert, memory, hide, driver };
    const subscriber = directions.input ? await openNotifications(opening, signal) : undefined;
    if (subscriber !== undefined) opened.use(subscriber);
    const open = opened.move();
    return { client, subscriber, memory, hide, [Symbol.asyncDispose]: () => open.disposeAsync() };
  },

  operations: {
    create: {
      description: "Stores the data as an object, and answers its URL.",
      request: createFields,
      async invoke({ client }, { data, request, metadata, signal }) {
        const key = keyOf(request) || randomUUID();
        const given = data === undefined ? Buffer.alloc(0) : (goUnquote(data) ?? data);
        const isBase64 = request.decodeBase64 ?? metadata.decodeBase64;
        const bytes = isBase64 ? await gathered(decoded(one(given))) : given;
        const contentType = request.contentType || metadata.contentType || "";
        await store(client, { bucket: metadata.bucket, key, contentType }, bytes, signal).catch(
          (error: unknown) => {
            throw prefixedBy("gcp bucket binding error while flushing: ", error);
          },
        );
        return { data: urlOf(metadata.bucket, key) };
      },
      async invokeStream({ client }, { body, request, metadata, signal }) {
        const key = keyOf(request) || randomUUID();
        const isBase64 = request.decodeBase64 ?? metadata.decodeBase64;
        const contentType = request.contentType || metadata.contentType || "";
        const upload = { bucket: metadata.bucket, key, contentType };
        const parts = isBase64 ? decoded(body) : body;
        await storeParts(client, upload, parts, signal).catch((error: unknown) => {
          throw prefixedBy(uploading, error);
        });
        return { data: urlOf(metadata.bucket, key) };
      },
    },

    get: {
      description: "Answers an object's bytes.",
      request: getFields,
      idempotent: true,
      async invoke({ client }, { request, metadata, signal }) {
        const path = `${objectPath(metadata.bucket, demandKey(request))}?alt=media`;
        const { body } = await client.send({ method: "GET", path }, signal).catch(unreadable);
        const isEncoded = request.encodeBase64 ?? metadata.encodeBase64;
        return { data: isEncoded ? Buffer.from(body.toString("base64")) : body };
      },
      async invokeStream({ client }, { request, metadata, signal }) {
        const path = `${objectPath(metadata.bucket, demandKey(request))}?alt=media`;
        const { body } = await client.stream({ method: "GET", path }, signal).catch(unreadable);
        return { body: (request.encodeBase64 ?? metadata.encodeBase64) ? encoded(body) : body };
      },
    },

    delete: {
      description: "Deletes an object.",
      request: keyFields,
      async invoke({ client }, { request, metadata, signal }) {
        const key = demandKey(request, "gcp bucketgcp bucket binding error");
        const path = objectPath(metadata.bucket, key);
        await client.send({ method: "DELETE", path }, signal).catch((error: unknown) => {
          throw isNotFound(error) ? notFound(error) : error;
        });
      },
    },

    list: {
      description:
        'Answers the attributes of objects as JSON. The data are JSON: `{"prefix": "", "maxResults": 0, "delimiter": ""}`.',
      request: {},
      idempotent: true,
      async invoke({ client, memory }, { data, metadata, signal }) {
        const { prefix, maxResults, delimiter } = payloadOf(data, "", {
          prefix: "",
          maxResults: 0,
          delimiter: "",
        });
        const listing = { prefix, delimiter, most: maxResults > 0 ? maxResults : mostListed };
        return { data: await list(client, metadata.bucket, listing, memory, signal) };
      },
    },

    sign: {
      description: "Answers a URL with which an object can be read without credentials.",
      request: signFields,
      idempotent: true,
      async invoke({ client, hide }, { request, metadata, signal }) {
        const key = demandKey(request);
        const expires = secondsOf(request.signTTL || metadata.signTTL || "");
        const { identity, home } = client;
        if (identity === undefined)
          throw new BindingError(
            "failed_precondition",
            "gcp bucket binding error: nothing can be signed without credentials",
          );
        const email = await identity.email(signal);
        const { origin } = home;
        const host = origin.replace(/^https?:\/\//, "");
        const facts = { method: "GET", origin, host, email, now: new Date(), expires } as const;
        const { text, url } = urlToSign({ ...facts, bucket: metadata.bucket, key });
        const signature = (await identity.sign(text, signal)).toString("hex");
        hide?.(signature);
        return { data: Buffer.from(JSON.stringify({ signURL: url + signature })) };
      },
    },

    bulkGet: {
      description: "Answers all objects of the bucket as JSON, their bytes in base64.",
      request: bulkGetFields,
      idempotent: true,
      async invoke({ client, memory }, { request, metadata, signal }) {
        const isEncoded = request.encodeBase64 ?? metadata.encodeBase64;
        return { data: await bulkGet(client, metadata.bucket, isEncoded, memory, signal) };
      },
    },

    copy: {
      description:
        'Copies an object. The data are JSON, one of both is needed: `{"destinationBucket": "", "destinationKey": ""}`.',
      request: keyFields,
      async invoke({ client }, { data, request, metadata: { bucket }, signal }) {
        const key = demandKey(request);
        const [toBucket, toKey] = destinationOf(data, "copy", bucket, key);
        await copy(client, [bucket, key], [toBucket, toKey], signal);
        return { data: Buffer.from(`object ${key} copied to ${toBucket}/${toKey}`) };
      },
    },

    rename: {
      description: 'Moves an object within the bucket. The data are JSON: `{"newName": ""}`.',
      request: keyFields,
      async invoke({ client }, { data, request, metadata: { bucket }, signal }) {
        const key = demandKey(request);
        const { newName } = renameOf(data);
        if (newName === "") throw invalid("required 'newName' missing");
        if (checkKey(newName) === key) throw invalid(`${key} has that name already`);
        await copy(client, [bucket, key], [bucket, newName], signal);
        await remove(client, bucket, key, signal);
        return { data: Buffer.from(`object ${key} renamed to ${newName}`) };
      },
    },

    move: {
      description: "Copies an object as `copy` does, and deletes it.",
      request: keyFields,
      async invoke({ client }, { data, request, metadata: { bucket }, signal }) {
        const key = demandKey(request);
        const [toBucket, toKey] = destinationOf(data, "move", bucket, key);
        if (toBucket === bucket && toKey === key)
          throw invalid(
            `move destination ${toBucket}/${toKey} is the same as the source — move would delete the source object`,
          );
        await copy(client, [bucket, key], [toBucket, toKey], signal);
        await remove(client, bucket, key, signal);
        return { data: Buffer.from(`object ${key} moved to ${toBucket}/${toKey}`) };
      },
    },
  },

  eventMetadata: objectEventMetadata,

  guarantee: {
    returned:
      "stays in the bucket and comes with a later listing, or its notification is delivered again",
    atLeastOnce:
      "the object is in the bucket, and the subscription, where it is read by one, retains its notification",
    shared: "with `notificationSubscription`",
    duplicates: {
      app: "what the app has: `maxInFlight` (64)",
      runtime:
        "what the app has, and what was handled and not put away yet: `maxInFlight` and 64 (128)",
      server:
        "the same, if the process ends while the bucket does not answer; else none, or with notifications `maxInFlight` (64)",
    },
  },

  isShared: ({ notificationSubscription }) => Boolean(notificationSubscription),

  read: ({ client, subscriber }, reading) =>
    subscriber === undefined
      ? readListing(client, reading)
      : readNotifications(client, subscriber, reading),

  async examine({ client, subscriber }, questions) {
    const { metadata, directions } = questions;
    const rights: Wanted["rights"][number][] = [];
    if (directions.output) rights.push(["may write", "storage.objects.create"]);
    if (directions.input) rights.push(["may read", "storage.objects.get"]);
    if (directions.input && subscriber === undefined)
      rights.push(["may read", "storage.objects.list"]);
    await examineBucket(client, { bucket: metadata.bucket, rights }, questions);
    if (subscriber === undefined) return;
    const { notificationSubscription = "", projectID } = metadata;
    const name = fullName("subscription", notificationSubscription, projectID);
    await examineEntity(subscriber, { kind: "subscription", name }, questions);
  },

  async ping({ client, subscriber }, signal) {
    await Promise.all([client.ping(signal), subscriber?.ping(signal)]);
  },
});

function place({ endpoint }: BucketMetadata): Place {
  return placeOf(endpoint, "STORAGE_EMULATOR_HOST", "https://storage.googleapis.com");
}

/** All that the component connects to. */
function places(metadata: BucketMetadata): readonly Place[] {
  const isNotified = Boolean(metadata.notificationSubscription);
  return [place(metadata), ...(isNotified ? [notificationPlace(metadata)] : [])];
}

type Named = { readonly key?: string | undefined; readonly name?: string | undefined };

const keyOf = ({ key, name }: Named): string => name || key || "";

function demandKey(named: Named, prefix = "gcp bucket binding error"): string {
  const key = keyOf(named);
  if (key !== "") return checkKey(key);
  throw new BindingError("invalid_argument", `${prefix}: can't read key value`);
}

function invalid(text: string): BindingError {
  return new BindingError("invalid_argument", `gcp bucket binding error: ${text}`);
}

function renameOf(data: Uint8Array | undefined): { readonly newName: string } {
  try {
    return payloadOf(data, "", { newName: "" });
  } catch {
    throw invalid("invalid rename payload");
  }
}

function destinationOf(
  data: Uint8Array | undefined,
  operation: "copy" | "move",
  bucket: string,
  key: string,
): [bucket: string, key: string] {
  const wanted = payloadOf(data, `gcp bucket binding error: invalid ${operation} payload: `, {
    destinationBucket: "",
    destinationKey: "",
  });
  if (wanted.destinationBucket === "" && wanted.destinationKey === "")
    throw invalid(
      "copy/move requires at least one of destinationBucket or destinationKey (omitting both resolves the destination to the source object, which rewrites it for copy and deletes it for move)",
    );
  return [checkBucket(wanted.destinationBucket || bucket), checkKey(wanted.destinationKey || key)];
}

async function remove(
  client: StorageClient,
  bucket: string,
  key: string,
  signal: AbortSignal,
): Promise<void> {
  const request = { method: "DELETE", path: objectPath(bucket, key) } as const;
  await client.send(request, signal).catch((error: unknown) => {
    throw prefixedBy("gcp bucket binding error while deleting object: ", error);
  });
}

function isNotFound(error: unknown): boolean {
  return error instanceof BindingError && error.systemCode === "404";
}

function notFound(cause: unknown): BindingError {
  return new BindingError("not_found", "object not found", { systemCode: "404", cause });
}

function unreadable(error: unknown): never {
  const prefix = "gcp bucketgcp bucket binding error while downloading object: ";
  if (!isNotFound(error)) throw prefixedBy(prefix, error);
  const text = `${prefix}storage: object doesn't exist`;
  throw new BindingError("not_found", text, { systemCode: "404", cause: error });
}

function secondsOf(ttl: string): number {
  if (ttl === "") throw invalid("required metadata 'signTTL' missing");
  const hasUnit = !/^[+-]?[\d.]+$/.test(ttl);
  const milliseconds = hasUnit ? parseDuration(ttl, 1) : undefined;
  if (milliseconds === undefined) {
    const why = hasUnit ? "invalid" : "missing unit in";
    throw invalid(
      `gcp bucket binding error while parsing signTTL: time: ${why} duration ${JSON.stringify(ttl)}`,
    );
  }
  const seconds = Math.floor(milliseconds / 1000);
  if (seconds >= 1 && seconds <= longestTtl) return seconds;
  throw invalid("signTTL must be from 1s to 168h");
}

function urlOf(bucket: string, key: string): Uint8Array {
  const path = encodeURI(`${bucket}/${key}`).replaceAll("?", "%3F").replaceAll("#", "%23");
  return Buffer.from(JSON.stringify({ objectURL: `https://storage.googleapis.com/${path}` }));
}

async function* one(data: Uint8Array): AsyncGenerator<Uint8Array> {
  yield data;
}

async function gathered(parts: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  try {
    for await (const part of parts) all.push(part);
  } catch (error) {
    throw prefixedBy(uploading, error);
  }
  return Buffer.concat(all);
}

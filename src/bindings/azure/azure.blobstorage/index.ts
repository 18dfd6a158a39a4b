import { objectEventMetadata } from "../../../object-source/object.ts";
import { randomUUID } from "node:crypto";
import { defineBinding } from "../../../binding.ts";
import { problemsOf } from "../../../check-settings.ts";
import { BindingError } from "../../../errors.ts";
import { entraDrivers, needsEntraDriver } from "../../../identity/azure/entra.ts";
import { LocalRoot } from "../../../local-files/local-root.ts";
import { parseBoolean } from "../../../metadata/boolean.ts";
import { goUnquote } from "../../../text/go-unquote.ts";
import { StorageClient } from "../storage-client.ts";
import { accountOf } from "./account.ts";
import { describeBlob, metadataOf } from "./blob-headers.ts";
import { bulkCreate, bulkDelete, bulkGet, checkSnapshots } from "./bulk.ts";
import { Container } from "./container.ts";
import { blobFields, createFields, deleteFields, getFields, presignFields } from "./fields.ts";
import type { BlobMetadata } from "./fields.ts";
import { goJson } from "./json.ts";
import { listBlobs } from "./list.ts";
import { checkInput, openQueue, readNotifications } from "./notifications.ts";
import { presignedUrl } from "./presign.ts";
import { readListing } from "./source.ts";
import { decodeBase64, decoded, upload } from "./upload.ts";

const empty = new Uint8Array();
const uploading = "error uploading az blob";

export default defineBinding({
  name: "azure.blobstorage",
  status: "beta",
  summary: "Stores, reads, lists and deletes blobs of Azure Storage, and reads those that come.",
  provedBy: [
    { system: "Azurite", kind: "emulator" },
    { system: "Microsoft Entra ID", kind: "stand-in" },
  ],
  drivers: entraDrivers,
  needsDriver: (_name, metadata) => logsIn(metadata) && needsEntraDriver(metadata),
  inputIsOptional: true,
  metadata: blobFields,
  example: {
    accountName: "mystorage",
    accountKey: "bXkta2V5",
  },

  check: (metadata, { input }) =>
    problemsOf([() => checkMetadata(metadata), () => input && checkInput(metadata)]),

  async open({ metadata, memory, driver, hide, directions, signal, logger, examines }) {
    checkMetadata(metadata);
    if (directions.input) checkInput(metadata);
    const tools = { driver, hide };
    const account = accountOf(metadata, tools);
    const local = await LocalRoot.open(metadata.localRoot, memory, !examines);
    await using opened = new AsyncDisposableStack();
    const storage = opened.use(
      await StorageClient.open({ ...account, memory, hide, caCert: metadata.caCert }),
    );
    const container = new Container(storage, metadata.containerName);
    const access = accessOf(metadata);
    const isMade =
      examines || metadata.disableEntityManagement || (await container.create(access, signal));
    if (!isMade)
      logger.debug(
        { container: container.name },
        "creating the container is not allowed; it must exist",
      );
    const queue = directions.input
      ? await openQueue(metadata, account, memory, tools, signal)
      : undefined;
    if (queue !== undefined) opened.use(queue);
    const open = opened.move();
    return {
      ...{ container, local, memory, queue },
      [Symbol.asyncDispose]: () => open.disposeAsync(),
    };
  },

  operations: {
    create: {
      description: "Stores the data as a blob, which may replace an existing one.",
      request: createFields,
      idempotent: ({ blobName }) => Boolean(blobName),
      async invoke({ container }, { data = empty, request, properties, metadata, signal }) {
        const { blob, described, answer } = created(container, request, properties);
        const plain = goUnquote(data) ?? data;
        const text = Buffer.from(plain.buffer, plain.byteOffset, plain.byteLength);
        const body = metadata.decodeBase64 ? decodeBase64(text.toString("latin1")) : text;
        const { headers, md5 } = described;
        const checked = md5 === undefined ? headers : { ...headers, "content-md5": md5 };
        await container.put(uploading, blob, body, checked, signal);
        return answer;
      },
      async invokeStream({ container }, { body, request, properties, metadata, signal }) {
        const { blob, described, answer } = created(container, request, properties);
        const plain = metadata.decodeBase64 ? decoded(body) : body;
        await upload(container, blob, plain, described, signal);
        return answer;
      },
    },

    get: {
      description: "Returns a blob, or stores it as a file.",
      request: getFields,
      idempotent: true,
      async invoke({ container, local }, { request, signal }) {
        const blob = demand(request.blobName);
        const withMetadata = includesMetadata(request.includeMetadata);
        if (request.filePath) return toFile(container, local, blob, request.filePath, signal);
        const { body, headers } = await container.get(blob, signal);
        return { data: body, ...(withMetadata ? { metadata: metadataOf(headers) } : {}) };
      },
      async invokeStream({ container, local }, { request, signal }) {
        const blob = demand(request.blobName);
        const withMetadata = includesMetadata(request.includeMetadata);
        if (request.filePath) return toFile(container, local, blob, request.filePath, signal);
        const { body, headers } = await container.stream(blob, signal);
        return { body, ...(withMetadata ? { metadata: metadataOf(headers) } : {}) };
      },
    },

    delete: {
      description: "Deletes a blob.",
      request: deleteFields,
      async invoke({ container }, { request, signal }) {
        const blob = demand(request.blobName);
        const { deleteSnapshots } = request;
        if (deleteSnapshots !== undefined) checkSnapshots(deleteSnapshots);
        await container.delete(blob, deleteSnapshots, signal);
      },
    },

    list: {
      description:
        "Lists blobs as a JSON array. The data are a JSON object with `prefix`, `marker`, `maxResults` and `include`.",
      request: {},
      idempotent: true,
      invoke: ({ container }, { data, signal }) => listBlobs(container, data, signal),
    },

    bulkGet: {
      description:
        "Reads blobs into the answer, in base64, or into files. The data are a JSON object with `items` (`blobName`, `filePath`), `prefix`, `destinationDir` and `concurrency`.",
      request: {},
      idempotent: true,
      invoke: (connection, { data, signal }) => bulkGet({ ...connection, data, signal }),
    },

    bulkCreate: {
      description:
        "Stores blobs. The data are a JSON object with `items` (`blobName`, `data` or `sourcePath`, `contentType`) and `concurrency`.",
      request: {},
      idempotent: true,
      invoke: (connection, { data, metadata, signal }) =>
        bulkCreate({ ...connection, data, signal, decodes: metadata.decodeBase64 }),
    },

    bulkDelete: {
      description:
        "Deletes blobs. The data are a JSON object with `blobNames`, `prefix`, `deleteSnapshots` and `concurrency`.",
      request: {},
      invoke: (connection, { data, signal }) => bulkDelete({ ...connection, data, signal }),
    },

    presign: {
      description: "Returns a URL by which anybody may read a blob for a while.",
      request: presignFields,
      idempotent: true,
      async invoke({ container }, { request }) {
        const blob = demand(request.blobName);
        const { signTTL } = request;
        if (!signTTL) throw wrong("signTTL is a required attribute for presign operations");
        return { data: goJson({ presignURL: signed(container, blob, signTTL) }) };
      },
    },
  },

  eventMetadata: objectEventMetadata,

  guarantee: {
    returned:
      "stays in the container and comes with a later listing, or its notification is visible again",
    atLeastOnce:
      "the blob is in the container, and its notification, where it is read by those, in the queue and not expired",
    shared: "with `notificationQueue`",
    duplicates: {
      app: "what the app has: `maxInFlight` (64)",
      runtime:
        "what the app has, and what was handled and not put away yet: `maxInFlight` and 64 (128)",
      server:
        "none while the runtime lives; one that ends while the container does not answer: what was handled and not put away yet (128)",
    },
  },

  isShared: ({ notificationQueue }) => Boolean(notificationQueue),

  read: ({ container, queue }, reading) =>
    queue === undefined
      ? readListing(container, reading)
      : readNotifications(container, queue, reading),

  retry: {
    outbound: ({ retryCount, getBlobRetryCount }) => ({
      attempts: 1 + (getBlobRetryCount ?? retryCount),
    }),
  },

  async ping({ container }, signal) {
    await container.list({ maxResults: 1 }, signal);
  },

  async examine({ container }, { signal, directions, ask }) {
    const list = async (): Promise<void> => {
      await container.list({ maxResults: 1 }, signal);
    };
    await ask("authenticated", "", () => {});
    await ask("exists", `container ${container.name}`, list);
    if (directions.input) await ask("may read", "List Blobs", list);
  },
});

/** Whether a token of Entra ID is asked for. */
function logsIn(metadata: BlobMetadata): boolean {
  const { accountKey, connectionString, notificationAccountName } = metadata;
  if (!accountKey && !connectionString) return true;
  return Boolean(notificationAccountName) && !metadata.notificationConnectionString;
}

function created(
  container: Container,
  request: { readonly blobName: string | undefined; readonly signTTL: string | undefined },
  properties: Readonly<Record<string, string>>,
) {
  const blob = request.blobName || randomUUID();
  const described = describeBlob(properties);
  // Before anything is stored: it may not be possible.
  const presignURL = request.signTTL ? signed(container, blob, request.signTTL) : undefined;
  const said = { blobURL: container.urlOf(blob), blobName: blob };
  const data = goJson(presignURL === undefined ? said : { ...said, presignURL });
  return { blob, described, answer: { data, metadata: { blobName: blob } } };
}

function signed(container: Container, blob: string, signTTL: string): string {
  const { login } = container.storage;
  const sharedKey = "sharedKey" in login ? login.sharedKey : undefined;
  const url = container.urlOf(blob);
  return presignedUrl({ sharedKey, container: container.name, blob, url, signTTL });
}

async function toFile(
  container: Container,
  local: LocalRoot,
  blob: string,
  filePath: string,
  signal: AbortSignal,
) {
  await local.locate("filePath", filePath);
  const { body } = await container.stream(blob, signal);
  await local.create("filePath", filePath, body);
  return { data: empty, metadata: { filePath } };
}

function demand(blobName: string | undefined): string {
  if (blobName) return blobName;
  throw wrong("blobName is a required attribute");
}

function includesMetadata(text: string | undefined): boolean {
  if (!text) return false;
  const value = parseBoolean(text);
  if (value !== undefined) return value;
  throw wrong(
    `error parsing metadata: error parsing metadata \`includeMetadata\` with value \`${text}\` as bool: strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`,
  );
}

function accessOf({ publicAccessLevel: level }: BlobMetadata): string | undefined {
  if (level === "" || level === "none") return undefined;
  if (level === "blob" || level === "container") return level;
  throw wrong(`invalid public access level: ${level}; allowed: [blob container]`);
}

/** Throws a `BindingError`, in Dapr's words where it has some. */
function checkMetadata(metadata: BlobMetadata): void {
  accessOf(metadata);
  accountOf(metadata, { driver: () => undefined, hide: undefined });
}

function wrong(message: string): BindingError {
  return new BindingError("invalid_argument", message);
}

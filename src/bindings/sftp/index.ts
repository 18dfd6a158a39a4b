import { posix } from "node:path";
import { defineBinding } from "../../binding.ts";
import { problemsOf } from "../../check-settings.ts";
import type { Answer } from "../../binding.ts";
import { BindingError } from "../../errors.ts";
import { Slots } from "../../slots.ts";
import { connect } from "./connection.ts";
import { hostAddress } from "./host-address.ts";
import { hostCheck } from "./host-keys.ts";
import type { Driver } from "./driver.ts";
import { failureOf, isRefusal } from "./failures.ts";
import { fileRequest, listRequest, sftpFields } from "./fields.ts";
import { createFile, list, readAsItIsTaken, readWhole, remove } from "./files.ts";
import type { Listed, Target } from "./files.ts";
import { FolderReader } from "./folder-reader.ts";
import { ComponentRoot, locate, locateItself, property } from "./locate.ts";
import { RemoteFolder } from "./remote-folder.ts";
import type { Requests, Session } from "./session.ts";
import type { Content } from "./transfer.ts";

/** Operations that run at one time: a server keeps so many files open for one session. */
const mostOperations = 64;

const reading = "error reading file";

type Properties = Readonly<Record<string, string>>;

/** Keeps files on an SFTP server, and calls the app for each file that is put into a folder there. */
export default defineBinding({
  name: "sftp",
  status: "beta",
  summary: "Stores, reads, lists and deletes files on an SFTP server, and reads those in a folder.",
  provedBy: [{ system: "OpenSSH", kind: "real" }],
  drivers: { ssh2: "1.17.0" },

  metadata: sftpFields,
  example: {
    password: "my-password",
    knownHostsFile: "/home/shop/.ssh/known_hosts",
  },

  // Dapr has no input of this type.
  inputIsOptional: true,

  check: (metadata) =>
    problemsOf([
      () => hostAddress(metadata.address),
      // A file may be elsewhere than where this is checked.
      () => metadata.knownHostsFile || hostCheck(metadata, { host: "", port: 22 }),
    ]),

  async open({ metadata, directions, signal, lost, driver, memory, logger, notice }) {
    const session = await connect(driver("ssh2") as Driver, metadata, { signal, lost });
    if (metadata.insecureIgnoreHostKey) {
      notice(
        "the server's key is not checked (insecureIgnoreHostKey), so any server may pose as it",
      );
    }
    const root = new ComponentRoot(metadata);
    let folder: RemoteFolder | undefined;
    try {
      if (directions.input) folder = new RemoteFolder(session.for(), root, metadata);
      await root.path(session.for(signal)).catch((error: unknown) => {
        // Who is refused has been answered. The calls tell what they may not do.
        if (!isRefusal(error)) throw error;
      });
    } catch (error) {
      session.close();
      const failure = failureOf(`error resolving path ${metadata.rootPath || "."}`, error);
      throw new BindingError(failure.reason, failure.message, { effect: "unsent", cause: error });
    }
    let hasToldOfName = false;
    return {
      ...{ session, root, memory, folder },
      slots: new Slots(metadata.sequentialMode ? 1 : mostOperations),
      onBadName(name: string): void {
        if (hasToldOfName) return;
        hasToldOfName = true;
        logger.warn(
          { file: name },
          "the server lists a name that is none; such names are left out",
        );
      },
      async [Symbol.asyncDispose]() {
        session.close();
      },
    };
  },

  operations: {
    create: {
      description:
        "Stores the data as a file, which may replace an existing one, with the folders above it, and returns its name.",
      request: fileRequest,
      idempotent: true,
      invoke(connection, { data, properties, metadata, signal }) {
        return inTurn(connection, signal, (requests) =>
          store(
            { connection, requests, properties },
            data ?? new Uint8Array(),
            metadata.writeInPlace,
          ),
        );
      },
      invokeStream(connection, { body, properties, metadata, signal }) {
        return inTurn(connection, signal, (requests) =>
          store({ connection, requests, properties }, body, metadata.writeInPlace),
        );
      },
    },

    get: {
      description: "Returns the content of a file.",
      request: fileRequest,
      idempotent: true,
      async invoke(connection, { properties, signal }) {
        return inTurn(connection, signal, async (requests) => {
          const target = await targetOf({ connection, requests, properties, failed: reading });
          return { data: await readWhole(requests, target, connection.memory) };
        });
      },
      async invokeStream(connection, { properties, signal }) {
        const target = await inTurn(connection, signal, (requests) =>
          targetOf({ connection, requests, properties, failed: reading }),
        );
        return { body: parts(connection, target, signal) };
      },
    },

    delete: {
      description: "Deletes a file, or an empty folder.",
      request: fileRequest,
      async invoke(connection, { properties, signal }) {
        await inTurn(connection, signal, async (requests) => {
          const failed = "error remove file";
          const asked = { connection, requests, properties, failed };
          const target = await targetOf(asked, locateItself);
          if (target.path === (await connection.root.path(requests))) {
            throw new BindingError(
              "invalid_argument",
              "sftp binding error: the root itself cannot be deleted; name a file",
            );
          }
          await remove(requests, target);
        });
      },
    },

    list: {
      description:
        "Returns a JSON array of what is in a folder: `fileName` and `isDirectory` of each. Not recursive.",
      request: listRequest,
      idempotent: true,
      async invoke(connection, { properties, signal }) {
        return inTurn(connection, signal, async (requests) => {
          const failed = "error read dir";
          const target = await targetOf({ connection, requests, properties, failed });
          return { data: jsonOf(await list(requests, target, connection)) };
        });
      },
    },
  },

  eventMetadata: {
    fileName: "The file's name.",
    path: "The file's path.",
    size: "Its size in bytes.",
    modifiedTime: "When it was last changed.",
  },

  guarantee: {
    returned: "stays in the folder",
    atLeastOnce: "the file stays in the folder",
    shared: false,
    duplicates: {
      app: "what the app has (64)",
      runtime: "what the app has, and handled files that were not moved (64)",
      server: "none, unless the runtime ends meanwhile: then what the app has (64)",
    },
  },

  read({ folder }, reading) {
    return new FolderReader(watched(folder), reading);
  },

  async ping({ session }, signal) {
    try {
      await session.for(signal).realpath(".");
    } catch (error) {
      if (!isRefusal(error)) throw failureOf("ping", error);
    }
  },

  async examine({ session, root }, { metadata, directions, signal, ask }) {
    await ask("authenticated", "", () => {});
    const path = metadata.rootPath || ".";
    const there = await ask("exists", path, async () => {
      try {
        await root.path(session.for(signal));
      } catch (error) {
        throw failureOf(`error resolving path ${path}`, error);
      }
    });
    if (there && directions.input)
      await ask("may read", path, async () => {
        try {
          await session.for(signal).lstat(await root.path(session.for(signal)));
        } catch (error) {
          throw failureOf(`error reading ${path}`, error);
        }
      });
  },

  async backlog({ folder }) {
    return watched(folder).count();
  },
});

function watched(folder: RemoteFolder | undefined): RemoteFolder {
  if (folder === undefined) throw new Error("the component was not opened as an input");
  return folder;
}

type Connection = {
  readonly session: Session;
  readonly root: ComponentRoot;
  readonly slots: Slots;
};

/** One call's requests, and what it names. */
type Asked = {
  readonly connection: Pick<Connection, "root">;
  readonly requests: Requests;
  readonly properties: Properties;
  /** What to say of a failure, before the name. */
  readonly failed: string;
};

async function inTurn<Result>(
  { session, slots }: Connection,
  signal: AbortSignal,
  work: (requests: Requests) => Promise<Result>,
): Promise<Result> {
  await take(slots, signal);
  try {
    return await work(session.for(signal));
  } finally {
    slots.release();
  }
}

async function take(slots: Slots, signal: AbortSignal): Promise<void> {
  try {
    await slots.take(signal);
  } catch (error) {
    throw BindingError.from(error, "cancelled", "unsent");
  }
}

/** It has its turn once it is asked for the first part. */
async function* parts(
  { session, slots }: Connection,
  target: Target,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  await take(slots, signal);
  try {
    yield* readAsItIsTaken(session.for(signal), target);
  } finally {
    slots.release();
  }
}

/** Writes the file, and answers its name as JSON. */
async function store(
  asked: Omit<Asked, "failed">,
  content: Content,
  inPlace: boolean,
): Promise<Answer> {
  const target = await targetOf({ ...asked, failed: "error create file" });
  await createFile(asked.requests, target, content, inPlace);
  const fileName = posix.basename(target.shown);
  return { data: jsonOf({ fileName }), metadata: { fileName } };
}

/** What a call is about. */
async function targetOf(
  { connection: { root }, requests, properties, failed }: Asked,
  locateIt: typeof locate = locate,
): Promise<Target> {
  const [ofCall, name] = [property(properties, "rootPath"), property(properties, "fileName")];
  const base = ofCall ?? root.given;
  if (base === undefined && name === undefined) {
    throw new BindingError(
      "invalid_argument",
      "sftp binding error: required metadata rootPath or fileName missing",
    );
  }
  const shown = posix.join(base ?? "", name ?? "");
  try {
    const below = await root.forCall(requests, ofCall);
    return { path: await locateIt(requests, below, name ?? "."), shown };
  } catch (error) {
    throw failureOf(`${failed} ${shown}`, error);
  }
}

/** As Go writes JSON. */
function jsonOf(value: Listed[] | { fileName: string }): Uint8Array {
  const escaped = (sign: string): string =>
    `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return Buffer.from(JSON.stringify(value).replaceAll(/[<>&\u2028\u2029]/g, escaped));
}

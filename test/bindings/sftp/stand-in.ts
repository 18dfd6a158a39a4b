import { generateKeyPairSync } from "node:crypto";
import { posix } from "node:path";
import ssh2, { type Connection, type FileEntry, type SFTPWrapper } from "ssh2";
import { onTestFinished } from "vitest";
import { listen } from "../http/loopback-server.ts";

const { OPEN_MODE, STATUS_CODE } = ssh2.utils.sftp;

/** What the server does in place of its answer. */
export type Reaction = "cut" | "swallow" | { readonly status: number; readonly words?: string };

export type StandInOptions = {
  /** Whether a log-in is right. Default: each. */
  readonly logIn?: (method: string, secret: string) => boolean;
  /** Asked before each request, by its name: `OPEN`, `WRITE`. Absent or nothing: it is done. */
  readonly react?: (request: string, path: string) => Reaction | undefined;
  /** What a folder is said to have in it, whatever it has. */
  readonly listing?: (path: string) => readonly Partial<FileEntry>[] | undefined;
};

/** An SFTP server that keeps files in memory and may be told what to answer. */
export type StandIn = {
  readonly address: string;
  readonly files: Map<string, Buffer>;
  /** The requests that came, by name. */
  readonly requests: string[];
  /** The methods of log-in that were tried. */
  readonly methods: string[];
  /** Fields with which a component logs in. */
  readonly properties: Record<string, string>;
  readonly connections: number;
};

const hostKey = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({
  type: "pkcs1",
  format: "pem",
});

const [folderMode, fileMode] = [0o040_755, 0o100_644];

export async function startStandIn(options: StandInOptions = {}): Promise<StandIn> {
  const files = new Map<string, Buffer>();
  const folders = new Set(["/", "/home"]);
  const requests: string[] = [];
  const methods: string[] = [];
  const open = new Set<Connection>();
  let connections = 0;

  const server = new ssh2.Server({ hostKeys: [hostKey] }, (client) => {
    connections++;
    open.add(client);
    // Its types do not tell of it.
    (client as Connection & { setNoDelay(on: boolean): void }).setNoDelay(true);
    client.on("error", () => undefined);
    client.on("close", () => open.delete(client));
    client.on("authentication", (context) => {
      methods.push(context.method);
      const decide = (secret: string): void => {
        if (options.logIn?.(context.method, secret) ?? true) context.accept();
        else context.reject(["password", "keyboard-interactive"]);
      };
      if (context.method === "password") decide(context.password);
      else if (context.method === "keyboard-interactive") {
        context.prompt([{ prompt: "Password: ", echo: false }], (answers) => {
          decide(answers[0] ?? "");
        });
      } else decide("");
    });
    client.on("ready", () => {
      client.on("session", (accept) => {
        accept().on("sftp", (acceptSftp) => serve(client, acceptSftp()));
      });
    });
  });

  function serve(client: Connection, sftp: SFTPWrapper): void {
    const handles = new Map<number, { path: string; isRead: boolean }>();
    let next = 0;
    const opened = (id: number, path: string): void => {
      handles.set(next, { path, isRead: false });
      const handle = Buffer.alloc(4);
      handle.writeUInt32BE(next++);
      sftp.handle(id, handle);
    };
    const of = (handle: Buffer) => handles.get(handle.readUInt32BE()) ?? { path: "", isRead: true };
    const ok = (id: number): void => sftp.status(id, STATUS_CODE.OK);
    const missing = (id: number): void => sftp.status(id, STATUS_CODE.NO_SUCH_FILE);
    const attributes = (path: string) => {
      const content = files.get(path);
      const mode = content === undefined ? folderMode : fileMode;
      return { mode, uid: 0, gid: 0, size: content?.length ?? 0, atime: 0, mtime: 1_700_000_000 };
    };
    const tell = (id: number, path: string): void => {
      if (files.has(path) || folders.has(path)) sftp.attrs(id, attributes(path));
      else missing(id);
    };
    /** Whether the request is to be done. */
    const may = (id: number, request: string, path: string): boolean => {
      requests.push(request);
      const reaction = options.react?.(request, path);
      if (reaction === undefined) return true;
      if (reaction === "cut") client.end();
      else if (typeof reaction === "object") sftp.status(id, reaction.status, reaction.words);
      return false;
    };
    sftp.on("error", () => undefined);
    sftp.on("REALPATH", (id, path) => {
      const filename = posix.resolve("/home", path);
      if (may(id, "REALPATH", path))
        sftp.name(id, [{ filename, longname: "", attrs: attributes("/") }]);
    });
    sftp.on("LSTAT", (id, path) => may(id, "LSTAT", path) && tell(id, path));
    sftp.on(
      "FSTAT",
      (id, handle) => may(id, "FSTAT", of(handle).path) && tell(id, of(handle).path),
    );
    sftp.on("FSETSTAT", (id, handle) => may(id, "FSETSTAT", of(handle).path) && ok(id));
    sftp.on("OPEN", (id, path, flags) => {
      if (!may(id, "OPEN", path)) return;
      const isWritten = (flags & OPEN_MODE.WRITE) !== 0;
      if (!isWritten && !files.has(path)) return missing(id);
      if (isWritten && !folders.has(posix.dirname(path))) return missing(id);
      if (isWritten) files.set(path, Buffer.alloc(0));
      opened(id, path);
    });
    sftp.on("WRITE", (id, handle, offset, data) => {
      const { path } = of(handle);
      if (!may(id, "WRITE", path)) return;
      const before = files.get(path) ?? Buffer.alloc(0);
      const after = Buffer.alloc(Math.max(before.length, offset + data.length));
      before.copy(after);
      data.copy(after, offset);
      files.set(path, after);
      ok(id);
    });
    sftp.on("READ", (id, handle, offset, length) => {
      const { path } = of(handle);
      if (!may(id, "READ", path)) return;
      const part = files.get(path)?.subarray(offset, offset + length) ?? Buffer.alloc(0);
      if (part.length === 0) sftp.status(id, STATUS_CODE.EOF);
      else sftp.data(id, part);
    });
    sftp.on("CLOSE", (id, handle) => may(id, "CLOSE", of(handle).path) && ok(id));
    sftp.on("OPENDIR", (id, path) => {
      if (!may(id, "OPENDIR", path)) return;
      if (folders.has(path)) opened(id, path);
      else missing(id);
    });
    sftp.on("READDIR", (id, handle) => {
      const folder = of(handle);
      if (!may(id, "READDIR", folder.path)) return;
      if (folder.isRead) return sftp.status(id, STATUS_CODE.EOF);
      folder.isRead = true;
      const names = [...files.keys(), ...folders].filter(
        (path) => path !== "/" && posix.dirname(path) === folder.path,
      );
      const entries = options.listing?.(folder.path) ?? [
        { filename: "." },
        { filename: ".." },
        ...names.map((path) => ({ filename: posix.basename(path), attrs: attributes(path) })),
      ];
      sftp.name(
        id,
        entries.map((entry) => ({ filename: "", longname: "", attrs: attributes("/"), ...entry })),
      );
    });
    sftp.on("MKDIR", (id, path) => {
      if (!may(id, "MKDIR", path)) return;
      folders.add(path);
      ok(id);
    });
    sftp.on("REMOVE", (id, path) => {
      if (!may(id, "REMOVE", path)) return;
      if (files.delete(path)) ok(id);
      else missing(id);
    });
    sftp.on("RMDIR", (id, path) => may(id, "RMDIR", path) && ok(id));
    sftp.on("RENAME", (id, from, to) => {
      if (!may(id, "RENAME", to)) return;
      const content = files.get(from);
      if (content === undefined) return missing(id);
      if (files.has(to)) return sftp.status(id, STATUS_CODE.FAILURE);
      files.delete(from);
      files.set(to, content);
      ok(id);
    });
  }

  const port = await listen(server);
  onTestFinished(async () => {
    for (const client of open) client.end();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  });
  const address = `127.0.0.1:${port}`;
  return {
    ...{ address, files, requests, methods },
    properties: {
      ...{ address, username: "shop", password: "secret" },
      insecureIgnoreHostKey: "true",
    },
    get connections() {
      return connections;
    },
  };
}

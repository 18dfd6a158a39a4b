import { createHash, createPrivateKey, createPublicKey } from "node:crypto";
import { chmod, chown, mkdir, readFile, writeFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import { openSshText } from "../../src/bindings/sftp/private-key.ts";
import { installPackages } from "./install.ts";
import { portAt } from "./kind.ts";
import type { Address, Place, ServerKind } from "./kind.ts";
import { findProgram } from "./server-process.ts";

export interface OpensshOptions {
  /** Further lines of its configuration, such as `ForceCommand internal-sftp -R`. */
  readonly config?: readonly string[];
}

/** How to log in: fields of a component's metadata. */
export interface Login {
  readonly username: string;
  readonly privateKey: string;
  readonly hostPublicKey: string;
}

const isRoot = process.getuid?.() === 0;
/** A user without rights, where others than one's own can be had. */
const username = isRoot ? "nobody" : userInfo().username;

/** OpenSSH's server for SFTP alone. The user logs in by a key, and starts in a folder of the server's own. */
export const openssh: ServerKind<
  OpensshOptions,
  { readonly login: Login },
  {
    /** The folder that sessions start in, on this machine. */
    readonly files: string;
    /** The line of the user's own key. */
    readonly userKey: string;
    /** From now on these keys alone let the user in, each a line of `authorized_keys`. */
    authorize(lines: readonly string[]): Promise<void>;
  }
> = {
  title: "OpenSSH",
  variable: "SFTP_URL",
  ports: 1,
  startTimeout: 20_000,
  greeting: {
    question: Buffer.from("SSH-2.0-check\r\n"),
    isAnswer: (answer) => answer.toString("latin1").startsWith("SSH-2.0-"),
  },
  startedLine: /^listening$/m,
  url: (host, port) => `sftp://${username}@${host}:${port}`,
  parse() {
    throw new Error("the tests know the keys of servers of their own alone");
  },
  isInstalled: () => sshd() !== undefined,
  install: () => installPackages("openssh-server"),
  async prepare(place, options) {
    const port = portAt(place, 0);
    const [hostKey, config] = [join(place.folder, "host-key"), join(place.folder, "sshd_config")];
    await mkdir(filesOf(place), { recursive: true, mode: 0o755 });
    if (isRoot) {
      await chmod(place.folder, 0o711);
      await chown(filesOf(place), ...(await ids()));
      // It locks itself into there.
      await mkdir("/run/sshd", { recursive: true });
    }
    await writeFile(hostKey, keyOf(`host ${port}`).text, { mode: 0o600 });
    await authorize(place, [userKey(place)]);
    const lines = [
      `HostKey ${hostKey}`,
      `AuthorizedKeysFile ${authorizedKeys(place)}`,
      ...["StrictModes no", "UsePAM no", "PasswordAuthentication no", "PidFile none"],
      ...["KbdInteractiveAuthentication no", "LogLevel ERROR", "MaxStartups 200"],
      // The first of two values counts.
      ...(options.config ?? []),
      `ForceCommand internal-sftp -d ${filesOf(place)}`,
      "Subsystem sftp internal-sftp",
    ];
    await writeFile(config, `${lines.join("\n")}\n`);
    const program = join(import.meta.dirname, "sshd-process.ts");
    const command = [program, String(port), sshd() ?? "sshd", config];
    return [{ program: process.execPath, arguments: command }];
  },
  extras: ({ port }: Address) => ({
    login: {
      username,
      privateKey: keyOf(`user ${port}`).text,
      hostPublicKey: keyOf(`host ${port}`).publicLine,
    },
  }),
  ownExtras: (place) => ({
    files: filesOf(place),
    userKey: userKey(place),
    authorize: (lines) => authorize(place, lines),
  }),
};

function filesOf({ folder }: Place): string {
  return join(folder, "files");
}

function authorizedKeys({ folder }: Place): string {
  return join(folder, "authorized_keys");
}

function userKey(place: Place): string {
  return keyOf(`user ${portAt(place, 0)}`).publicLine;
}

async function authorize(place: Place, lines: readonly string[]): Promise<void> {
  await writeFile(authorizedKeys(place), lines.map((line) => `${line}\n`).join(""), {
    mode: 0o644,
  });
}

/** An Ed25519 key as a private key's text and a line of `authorized_keys`, for a purpose: always the same: who asks for the server is another process than the one that starts it. */
export function keyOf(purpose: string): { text: string; publicLine: string } {
  const seed = createHash("sha256").update(`cufflink test ${purpose}`).digest();
  const key = createPrivateKey({
    key: Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]),
    ...{ format: "der", type: "pkcs8" },
  });
  const raw = Buffer.from(createPublicKey(key).export({ format: "jwk" }).x ?? "", "base64url");
  const blob = Buffer.concat([sshString(Buffer.from("ssh-ed25519")), sshString(raw)]);
  return {
    text: openSshText(raw, seed),
    publicLine: `ssh-ed25519 ${blob.toString("base64")} cufflink-test`,
  };
}

function sshString(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

async function ids(): Promise<[uid: number, gid: number]> {
  const passwd = await readFile("/etc/passwd", "utf8");
  const line = new RegExp(`^${username}:[^:]*:(\\d+):(\\d+):`, "m").exec(passwd);
  if (line === null) throw new Error(`there is no user ${username}`);
  return [Number(line[1]), Number(line[2])];
}

function sshd(): string | undefined {
  return findProgram("/usr/sbin/sshd", "sshd");
}

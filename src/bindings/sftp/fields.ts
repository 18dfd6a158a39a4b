import { unfinishedNames } from "../../folder-watch/name-patterns.ts";
import {
  bool,
  byteSize,
  duration,
  list,
  oneOf,
  string,
  type Values,
} from "../../metadata/fields.ts";

/** What an sftp component's metadata can say. */
export const sftpFields = {
  address: string({
    description: "The server's `host:port`. Without a port: 22.",
    required: true,
    example: "files.example.com:22",
  }),
  username: string({ description: "The user to log in as.", required: true, example: "shop" }),
  password: string({
    description: "The user's password. Tried after `privateKey`.",
    sensitive: true,
  }),
  privateKey: string({
    description: "The user's private key as text: OpenSSH, PEM (PKCS #1, PKCS #8, SEC 1) or PuTTY.",
    sensitive: true,
  }),
  privateKeyPassphrase: string({
    description: "The passphrase of `privateKey`.",
    sensitive: true,
  }),
  rootPath: string({
    description:
      "The folder on the server that all files are below. A relative path starts at the login folder. Default: the login folder.",
    example: "/upload",
  }),
  hostPublicKey: string({
    description: "The server's public key, as a line of an `authorized_keys` file.",
    example: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA…",
  }),
  knownHostsFile: string({
    description:
      "A `known_hosts` file with the server's key. It is read at each connection, and goes before `hostPublicKey`.",
    example: "/etc/ssh/ssh_known_hosts",
  }),
  insecureIgnoreHostKey: bool({
    description: "Accept any key of the server, so that any server may pose as it.",
    default: "false",
  }),
  sequentialMode: bool({
    description: "Run one operation after another.",
    default: "false",
    direction: "output",
  }),
  allowRootOverride: bool({
    description: "Let a call's own `rootPath` lead out of the component's.",
    default: "false",
    direction: "output",
  }),
  writeInPlace: bool({
    description:
      "Write files under their own names at once, as Dapr does, and not under a temporary name first. An interrupted `create` then leaves a part of the file.",
    default: "false",
    direction: "output",
  }),
  folder: string({
    description: "The folder to watch, below `rootPath`. Default: `rootPath` itself.",
    direction: "input",
    example: "orders/in",
  }),
  onHandled: oneOf(["move", "delete"], {
    description: "What happens to a file that the app has handled.",
    default: "move",
    direction: "input",
  }),
  processedFolder: string({
    description:
      "The folder for handled files. A relative path starts at `folder`, an absolute one at `rootPath`. It is created if missing, and never watched.",
    default: "processed",
    direction: "input",
    example: "/orders/done",
  }),
  recursive: bool({
    description: "Watch subfolders too. Symbolic links are never followed.",
    default: "false",
    direction: "input",
  }),
  include: list({
    description: "Patterns of the file names to read, with `*` and `?`, separated by commas.",
    default: "*",
    direction: "input",
    example: "*.csv,*.json",
  }),
  ignore: list({
    description:
      "Patterns of the names to ignore, also of folders. The default has names that programs use for unfinished files.",
    default: unfinishedNames,
    direction: "input",
  }),
  quietTime: duration({
    description:
      "How long a file's size and time must be unchanged before it is an event. The protocol tells the time in whole seconds.",
    default: "2s",
    direction: "input",
  }),
  maxSize: byteSize({
    description: "A larger file is not read, with a warning.",
    default: "4Mi",
    direction: "input",
  }),
  pollInterval: duration({
    description: "How often the folder is listed while files come.",
    default: "5s",
    positive: true,
    direction: "input",
  }),
  maxPollInterval: duration({
    description:
      "The interval doubles up to this while no file comes, and while the folder cannot be listed.",
    default: "30s",
    positive: true,
    direction: "input",
  }),
} as const;

export type SftpMetadata = Values<typeof sftpFields>;

const rootPath = string({
  description:
    "Takes the place of the component's `rootPath`. It must be below that one, unless `allowRootOverride` is set.",
  example: "/upload/2026",
});

const name = {
  description:
    "The file's name below `rootPath`. Default: `rootPath` itself, if one is given. Neither `..` nor a link can lead out of it.",
};

export const fileRequest = {
  fileName: string({ ...name, example: "orders/order-42.json" }),
  rootPath,
} as const;

export const listRequest = {
  fileName: string({
    description:
      "The folder, below `rootPath`. Default: `rootPath` itself, if one is given; `.` is the login folder.",
    example: "orders",
  }),
  rootPath,
} as const;

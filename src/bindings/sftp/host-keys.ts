import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { BindingError, messageOf } from "../../errors.ts";
import { readRegularFile, UnreadableFile } from "../../regular-file.ts";
import type { SftpMetadata } from "./fields.ts";
import type { HostAddress } from "./host-address.ts";

/** How the server's key is checked. */
export type HostCheck = {
  /** The kinds of key to ask the server for; `undefined`: any. */
  readonly algorithms: readonly string[] | undefined;
  /** What is wrong with a key of the server; `undefined`: it is the right one. */
  verify(key: Buffer): string | undefined;
};

const largestFile = 4 * 1024 * 1024;

/** The kinds of key that a server may have; one of RSA signs in three ways. */
const keyTypes: ReadonlyMap<string, readonly string[]> = new Map([
  ["ssh-ed25519", ["ssh-ed25519"]],
  ["ecdsa-sha2-nistp256", ["ecdsa-sha2-nistp256"]],
  ["ecdsa-sha2-nistp384", ["ecdsa-sha2-nistp384"]],
  ["ecdsa-sha2-nistp521", ["ecdsa-sha2-nistp521"]],
  ["ssh-rsa", ["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"]],
]);

/**
 * Reads how the server is to be known, in Dapr's order: not at all, by a known_hosts file, by its key. Throws a
 * `BindingError`.
 */
export async function hostCheck(
  { insecureIgnoreHostKey, knownHostsFile, hostPublicKey }: SftpMetadata,
  address: HostAddress,
): Promise<HostCheck> {
  if (insecureIgnoreHostKey) return { algorithms: undefined, verify: () => undefined };
  if (knownHostsFile) {
    return checkByKnownHosts(await readKnownHosts(knownHostsFile), address, knownHostsFile);
  }
  if (hostPublicKey) return checkByKey(hostPublicKey);
  throw new BindingError(
    "invalid_argument",
    "sftp binding error: no host validation method provided; give hostPublicKey or knownHostsFile",
  );
}

/** `SHA256:…`, as OpenSSH shows a key. */
function fingerprintOf(key: Buffer): string {
  return `SHA256:${createHash("sha256").update(key).digest("base64").replace(/=+$/, "")}`;
}

function checkByKey(text: string): HostCheck {
  const lines = text.split("\n").map((line) => line.trim());
  const keys = lines.filter((line) => line !== "" && !line.startsWith("#")).map(keyIn);
  const key = keys.find((one) => one !== undefined);
  if (key === undefined) {
    throw new BindingError(
      "invalid_argument",
      "sftp binding error: parse host public key error: hostPublicKey is no line of an authorized_keys file, such as: ssh-ed25519 AAAA…",
    );
  }
  return {
    algorithms: keyTypes.get(typeOf(key)),
    verify: (offered) =>
      isSame(offered, key)
        ? undefined
        : `it is ${nameOf(offered)}, and hostPublicKey is ${nameOf(key)}`,
  };
}

type KnownHost = { readonly key: Buffer; readonly marker: string };

function checkByKnownHosts(text: string, address: HostAddress, file: string): HostCheck {
  const name = address.port === 22 ? address.host : `[${address.host}]:${address.port}`;
  const known: KnownHost[] = [];
  for (const line of text.split("\n")) {
    const words = line.trim().split(/\s+/);
    const marker = words[0]?.startsWith("@") ? (words.shift() ?? "") : "";
    const [hosts = "", ...rest] = words;
    if (hosts === "" || hosts.startsWith("#") || !isListed(hosts, name)) continue;
    const key = keyIn(rest.join(" "));
    if (key !== undefined) known.push({ key, marker });
  }
  // Keys of authorities vouch for certificates, which the driver cannot ask for.
  const trusted = known.filter(({ marker }) => marker === "").map(({ key }) => key);
  const revoked = known.filter(({ marker }) => marker === "@revoked").map(({ key }) => key);
  const algorithms = trusted.flatMap((key) => keyTypes.get(typeOf(key)) ?? []);
  return {
    algorithms: algorithms.length === 0 ? undefined : [...new Set(algorithms)],
    verify(offered) {
      const what = `it is ${nameOf(offered)}, `;
      if (revoked.some((key) => isSame(key, offered))) return `${what}which ${file} revokes`;
      if (trusted.some((key) => isSame(key, offered))) return undefined;
      if (trusted.length === 0) return `${what}and ${file} has no key of ${name}`;
      return `${what}and ${file} has for ${name} ${trusted.map(nameOf).join(", ")}`;
    },
  };
}

async function readKnownHosts(file: string): Promise<string> {
  try {
    return (await readRegularFile(file, { largest: largestFile })).toString("utf8");
  } catch (error) {
    const why = error instanceof UnreadableFile ? error.message : messageOf(error);
    throw new BindingError(
      "invalid_argument",
      `sftp binding error: read known host file error: ${file} ${why}`,
    );
  }
}

/** Whether the hosts of a line, parted by commas, are those of the name: patterns, negated ones, or a digest. */
function isListed(hosts: string, name: string): boolean {
  const digest = /^\|1\|([^|]+)\|([^|]+)$/.exec(hosts);
  if (digest !== null) {
    const [, salt = "", hash = ""] = digest;
    const own = createHmac("sha1", Buffer.from(salt, "base64")).update(name).digest();
    return isSame(own, Buffer.from(hash, "base64"));
  }
  let listed = false;
  for (const pattern of hosts.split(",")) {
    if (pattern.startsWith("!")) {
      if (isLike(pattern.slice(1), name)) return false;
    } else listed ||= isLike(pattern, name);
  }
  return listed;
}

/** `*` stands for any letters, `?` for one. Without backtracking: a file may have any pattern. */
function isLike(pattern: string, name: string): boolean {
  const [wanted, text] = [pattern.toLowerCase(), name.toLowerCase()];
  let [at, star, resumeAt] = [0, -1, 0];
  for (let index = 0; index < text.length;) {
    if (wanted[at] === "*") {
      star = at++;
      resumeAt = index;
    } else if (wanted[at] === "?" || wanted[at] === text[index]) {
      at++;
      index++;
    } else if (star >= 0) {
      at = star + 1;
      index = ++resumeAt;
    } else return false;
  }
  while (wanted[at] === "*") at++;
  return at === wanted.length;
}

/** The key of `ssh-ed25519 AAAA… comment`, options before it left out. */
function keyIn(line: string): Buffer | undefined {
  const words = line.split(/\s+/);
  for (const [index, word] of words.entries()) {
    const blob = words[index + 1];
    if (!keyTypes.has(word) || blob === undefined) continue;
    if (!/^[A-Za-z0-9+/]+={0,2}$/.test(blob)) return undefined;
    const key = Buffer.from(blob, "base64");
    return typeOf(key) === word ? key : undefined;
  }
  return undefined;
}

/** The kind that a key says of itself. */
function typeOf(key: Buffer): string {
  const length = key.length < 4 ? 0 : key.readUInt32BE();
  return length > 64 || key.length < 4 + length ? "" : key.toString("latin1", 4, 4 + length);
}

function nameOf(key: Buffer): string {
  return `${typeOf(key).replaceAll(/[^\w@.-]/g, "?")} ${fingerprintOf(key)}`;
}

function isSame(one: Buffer, other: Buffer): boolean {
  return one.length === other.length && timingSafeEqual(one, other);
}

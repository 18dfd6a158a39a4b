import { createHash, createPrivateKey, type KeyObject } from "node:crypto";
import { BindingError } from "../../errors.ts";
import type { Driver, ParsedKey } from "./driver.ts";

/** Keys that were opened, by a digest of their text and passphrase. */
const opened = new Map<string, ParsedKey>();
const mostOpened = 64;

/**
 * Reads the text of a private key. Throws a `BindingError`, which quotes nothing of it. A passphrase is meant to take
 * long, up to a second in which nothing else is done: it is tried once, not at each connection.
 */
export function privateKey(
  driver: Driver,
  text: string,
  passphrase: string | undefined,
): ParsedKey {
  const digest = createHash("sha256")
    .update(JSON.stringify([text, passphrase]))
    .digest("hex");
  const known = opened.get(digest);
  if (known !== undefined) return known;
  const key = readKey(driver, text, passphrase);
  for (const oldest of opened.keys()) {
    if (opened.size < mostOpened) break;
    opened.delete(oldest);
  }
  opened.set(digest, key);
  return key;
}

function readKey({ utils }: Driver, text: string, passphrase: string | undefined): ParsedKey {
  const isPkcs8 = /-----BEGIN (ENCRYPTED )?PRIVATE KEY-----/.test(text);
  const parsed = isPkcs8
    ? utils.parseKey(asDriverTakesIt(text, passphrase))
    : utils.parseKey(text, passphrase || undefined);
  // Its words may quote what it read.
  if (parsed instanceof Error) {
    const isLocked = /passphrase|encrypted/i.test(parsed.message);
    throw invalid(
      isLocked ? whyLocked(passphrase) : "privateKey is no private key in a known form",
    );
  }
  const key = Array.isArray(parsed) ? parsed[0] : parsed;
  if (key === undefined || !key.isPrivateKey()) throw invalid("privateKey is no private key");
  return key;
}

/** The driver knows no PKCS #8, and Ed25519 only as OpenSSH writes it. */
function asDriverTakesIt(text: string, passphrase: string | undefined): string {
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: text, passphrase: passphrase ?? "" });
  } catch {
    const isLocked = text.includes("ENCRYPTED");
    throw invalid(
      isLocked ? whyLocked(passphrase) : "privateKey is no private key in a known form",
    );
  }
  const form = { rsa: "pkcs1", ec: "sec1" } as const;
  const type = key.asymmetricKeyType;
  if (type === "rsa" || type === "ec") {
    return key.export({ type: form[type], format: "pem" });
  }
  if (type !== "ed25519")
    throw invalid(`privateKey is of the kind ${type}, which SSH does not have`);
  const { d, x } = key.export({ format: "jwk" });
  return openSshText(Buffer.from(x ?? "", "base64url"), Buffer.from(d ?? "", "base64url"));
}

/** An Ed25519 key as OpenSSH writes it, without a passphrase. */
export function openSshText(publicPart: Buffer, secret: Buffer): string {
  const name = string(Buffer.from("ssh-ed25519"));
  const publicKey = Buffer.concat([name, string(publicPart)]);
  const check = Buffer.from([1, 2, 3, 4, 1, 2, 3, 4]);
  const secretKey = string(Buffer.concat([secret, publicPart]));
  const fields = Buffer.concat([check, publicKey, secretKey, string(Buffer.alloc(0))]);
  const padding = Buffer.from(Array.from({ length: -fields.length & 7 }, (_, index) => index + 1));
  const none = string(Buffer.from("none"));
  const blob = Buffer.concat([
    Buffer.from("openssh-key-v1\0"),
    ...[none, none, string(Buffer.alloc(0)), uint32(1)],
    ...[string(publicKey), string(Buffer.concat([fields, padding]))],
  ]);
  const lines = blob.toString("base64").match(/.{1,70}/g) ?? [];
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines.join("\n")}\n-----END OPENSSH PRIVATE KEY-----\n`;
}

function string(bytes: Buffer): Buffer {
  return Buffer.concat([uint32(bytes.length), bytes]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function whyLocked(passphrase: string | undefined): string {
  return passphrase
    ? "privateKeyPassphrase does not open privateKey"
    : "privateKey is encrypted; give its privateKeyPassphrase";
}

function invalid(problem: string): BindingError {
  return new BindingError(
    "invalid_argument",
    `sftp binding error: parse private key error: ${problem}`,
  );
}

import { createHash } from "node:crypto";

/** A longer token is a digest, so that no subject is longer than servers like. */
const longestToken = 80;

/**
 * Any text as one token of a subject: letters, digits, `-` and `_` as they are, all else percent-encoded. What is long,
 * empty or no Unicode is a digest behind `~`, which nothing else begins with: the text itself is in the record.
 */
export function subjectToken(text: string): string {
  if (text !== "" && text.length <= longestToken && text.isWellFormed()) {
    const plain = encodeURIComponent(text).replaceAll(
      /[.!~*'()]/g,
      (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
    );
    if (plain.length <= longestToken) return plain;
  }
  return digestToken(text);
}

/** A digest as a token, for texts that are long or tell too much: 256 bits, so that two never have the same. */
export function digestToken(...texts: readonly string[]): string {
  const hash = createHash("sha256");
  for (const text of texts) {
    const bytes = Buffer.from(text, "utf16le");
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    hash.update(length).update(bytes);
  }
  return `~${hash.digest("base64url")}`;
}

/** The names of an app's two streams and of the subjects in them. */
export class Subjects {
  readonly recordStream: string;
  readonly historyStream: string;
  /** What each record's subject begins with. */
  readonly records: string;
  readonly history: string;

  constructor(appId: string) {
    const app = subjectToken(appId);
    this.recordStream = `CUFFLINK_${app}`;
    this.historyStream = `CUFFLINK-HISTORY_${app}`;
    this.records = `cufflink.${app}.records`;
    this.history = `cufflink.${app}.history`;
  }

  letter(component: string, identity: string, fingerprint: string): string {
    const event = digestToken(identity, fingerprint);
    return `${this.records}.letter.${subjectToken(component)}.${event}`;
  }

  attempt(component: string, identity: string): string {
    return `${this.attempts(component)}.${digestToken(identity)}`;
  }

  /** Without the last token. */
  attempts(component: string): string {
    return `${this.records}.attempt.${subjectToken(component)}`;
  }

  claim(scope: string, key: string): string {
    return `${this.records}.claim.${subjectToken(scope)}.${digestToken(key)}`;
  }

  pause(component: string): string {
    return `${this.records}.pause.${subjectToken(component)}`;
  }

  checkpoint(component: string, partition: string): string {
    return `${this.records}.checkpoint.${subjectToken(component)}.${subjectToken(partition)}`;
  }

  lease(name: string): string {
    return `${this.records}.lease.${subjectToken(name)}`;
  }

  /** Who asks for the lease of another. It goes by itself. */
  successor(name: string): string {
    return `${this.lease(name)}.successor`;
  }

  /** Written at each take-over of the lease, and never else: its sequence is the fencing token. */
  epoch(name: string): string {
    return `${this.records}.epoch.${subjectToken(name)}`;
  }

  /** Carries the expected epoch of a batch whose other messages all expect something of their own. */
  guard(name: string): string {
    return `${this.records}.guard.${subjectToken(name)}`;
  }

  replica(id: string): string {
    return `${this.records}.replica.${subjectToken(id)}`;
  }
}

/** The subject of a part of what is too large for one message. Parts are in no filter of whole records. */
export function partSubject(subject: string, number: number): string {
  const [root = "", app = "", stream = "", ...rest] = subject.split(".");
  return [root, app, stream, "part", ...rest, number].join(".");
}

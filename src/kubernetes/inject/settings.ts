import { parseByteSize } from "../../metadata/byte-size.ts";
import { parseDuration } from "../../metadata/duration.ts";
import { annotations, daprPrefix, type HonouredName, type Kind } from "./annotations.ts";
import type { JsonObject } from "./json.ts";

/** What `--app-protocol` takes. */
export const protocols = ["http", "https", "grpc", "grpcs", "h2c"] as const;

/** What annotations say: each as it is written, its value checked. */
export class Settings {
  readonly #values: ReadonlyMap<string, string>;
  /** Why nothing can be put in. */
  readonly reasons: string[] = [];
  /** What has no effect. */
  readonly warnings: string[] = [];

  constructor(written: JsonObject) {
    const values = new Map<string, string>();
    for (const [key, value] of Object.entries(written)) {
      if (!key.startsWith(daprPrefix)) continue;
      const annotation = annotations.get(key.slice(daprPrefix.length));
      if (annotation === undefined) {
        this.warnings.push(`${key} has no effect: Dapr has no such annotation`);
      } else if (typeof value !== "string") {
        const quoted = JSON.stringify(JSON.stringify(value));
        this.reasons.push(`${key} is no text, which annotations have to be; write ${quoted}`);
      } else if (annotation.named === undefined) {
        const problem = problemOf(annotation.kind, value.trim());
        if (problem === undefined) values.set(key.slice(daprPrefix.length), value.trim());
        else this.reasons.push(`${key} ${JSON.stringify(value)} ${problem}`);
      } else if (annotation.kind !== "boolean" || booleanOf(value) !== false) {
        this.warnings.push(`${key} has no effect: ${annotation.named}`);
      }
    }
    this.#values = values;
    this.#check();
  }

  /** Empty text counts as not written. */
  text(name: HonouredName): string | undefined {
    return this.#values.get(name) || undefined;
  }

  number(name: HonouredName): number | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : Number(text);
  }

  on(name: HonouredName): boolean {
    return booleanOf(this.#values.get(name) ?? "") === true;
  }

  /** As {@link on}, and on where nothing is written. */
  notOff(name: HonouredName): boolean {
    return this.#values.get(name) === undefined || this.on(name);
  }

  warn(name: HonouredName, text: string): void {
    this.warnings.push(`${daprPrefix}${name} ${text}`);
  }

  refuse(name: HonouredName, text: string): void {
    this.reasons.push(`${daprPrefix}${name} ${text}`);
  }

  #check(): void {
    const protocol = this.text("app-protocol")?.toLowerCase();
    if (protocol !== undefined && !protocols.some((one) => one === protocol))
      this.refuse("app-protocol", `${JSON.stringify(protocol)} is none of ${protocols.join(", ")}`);
    const seccomp = this.text("sidecar-seccomp-profile-type");
    if (seccomp !== undefined && seccomp !== "RuntimeDefault" && seccomp !== "Unconfined")
      this.refuse(
        "sidecar-seccomp-profile-type",
        `${JSON.stringify(seccomp)} is neither RuntimeDefault nor Unconfined; a profile of the node needs a name, which no annotation gives`,
      );
    const level = this.text("log-level");
    if (level !== undefined && !/^(debug|info|warn|warning|error|fatal)$/.test(level))
      this.refuse(
        "log-level",
        `${JSON.stringify(level)} is none of debug, info, warn, error, fatal`,
      );
    for (const name of [
      "unix-domain-socket-path",
      "pluggable-components-sockets-folder",
    ] as const) {
      const folder = this.text(name);
      if (folder !== undefined && !folder.startsWith("/"))
        this.refuse(
          name,
          `${JSON.stringify(folder)} is not a folder from the root, such as /sockets`,
        );
    }
    if (this.text("enable-native-sidecar") !== undefined && !this.on("enable-native-sidecar"))
      this.warn("enable-native-sidecar", "has no effect: the sidecar is always a native one");
  }
}

/** As Dapr reads it, but for words that are neither: they are an error here, and false there. */
export function booleanOf(text: string): boolean | undefined {
  const word = text.trim().toLowerCase();
  if (["y", "yes", "true", "t", "on", "1"].includes(word)) return true;
  return ["", "n", "no", "false", "f", "off", "0"].includes(word) ? false : undefined;
}

function problemOf(kind: Kind, value: string): string | undefined {
  if (kind === "boolean")
    return booleanOf(value) === undefined ? "is neither true nor false" : undefined;
  if (value === "") return undefined;
  const whole = /^-?\d+$/.test(value) ? Number(value) : Number.NaN;
  switch (kind) {
    case "port":
      return whole >= 1 && whole <= 65_535 ? undefined : "is not a port: a number up to 65535";
    case "number":
      return Number.isSafeInteger(whole) ? undefined : "is not a whole number";
    case "seconds":
      return whole >= 0 && whole < 2 ** 31 ? undefined : "is not a whole number from 0";
    case "duration":
      return parseDuration(value, 1) === undefined ? 'is not a duration such as "5s"' : undefined;
    case "size":
      return (parseByteSize(value) ?? 0) > 0 ? undefined : 'is not a size such as "4Mi"';
    case "quantity":
      return /^\+?(\d+\.?\d*|\.\d+)([eE][+-]?\d+|[numkMGTPE]|[KMGTPE]i)?$/.test(value)
        ? undefined
        : 'is not a quantity such as "100m" or "128Mi"';
    case "text":
      return undefined;
  }
}

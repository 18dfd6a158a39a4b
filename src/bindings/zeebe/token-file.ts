import { randomUUID } from "node:crypto";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { parse, stringify } from "yaml";
import { BindingError, messageOf } from "../../errors.ts";
import { readRegularFile, UnreadableFile } from "../../regular-file.ts";

const largestFile = 1024 * 1024;
/** A token that ends within so many milliseconds is not used any more. */
const reserve = 10_000;

/** The file in which Zeebe's clients keep their tokens, by audience. */
export class TokenFile {
  readonly #path: string;
  readonly #audience: string;

  constructor(path: string, audience: string) {
    this.#path = path;
    this.#audience = audience;
  }

  /** `undefined`: it has none. Rejects with a `BindingError` for a file that is none of these. */
  async read(): Promise<{ readonly token: string; readonly until: number } | undefined> {
    const own: unknown = new Map(Object.entries(await this.#content())).get(this.#audience);
    const credentials = at(own, "auth", "credentials");
    const token = at(credentials, "accesstoken");
    const expiry = at(credentials, "expiry");
    const until = expiry instanceof Date ? expiry.getTime() : Date.parse(String(expiry));
    if (typeof token !== "string" || token === "" || !Number.isFinite(until)) return undefined;
    return { token, until: until - reserve };
  }

  /** Puts a token in, beside those of other audiences. */
  async write(token: string, endsAt: number): Promise<void> {
    const content = await this.#content();
    const expiry = new Date(endsAt).toISOString();
    const credentials = { accesstoken: token, tokentype: "Bearer", refreshtoken: "", expiry };
    const all = new Map(Object.entries(content)).set(this.#audience, { auth: { credentials } });
    const fresh = `${this.#path}.${randomUUID()}`;
    try {
      await mkdir(dirname(this.#path), { recursive: true });
      await writeFile(fresh, stringify(Object.fromEntries(all)), { mode: 0o600 });
      await rename(fresh, this.#path);
    } catch (error) {
      await rm(fresh, { force: true }).catch(() => undefined);
      throw this.#failure(messageOf(error));
    }
  }

  async #content(): Promise<object> {
    let text: string;
    try {
      text = (await readRegularFile(this.#path, { largest: largestFile })).toString("utf8");
    } catch (error) {
      if (error instanceof UnreadableFile && error.isGone) return {};
      throw this.#failure(messageOf(error));
    }
    try {
      const content: unknown = parse(text) ?? {};
      if (typeof content === "object" && content !== null) return content;
    } catch {
      // The parser's message quotes the file, which has tokens.
    }
    throw this.#failure("it is no file of tokens");
  }

  #failure(why: string): BindingError {
    return new BindingError("failed_precondition", `clientConfigPath ${this.#path}: ${why}`, {
      effect: "unsent",
    });
  }
}

function at(value: unknown, ...path: readonly string[]): unknown {
  let found = value;
  for (const name of path) {
    if (typeof found !== "object" || found === null) return undefined;
    found = Object.entries(found).find(([own]) => own.toLowerCase() === name.toLowerCase())?.[1];
  }
  return found;
}

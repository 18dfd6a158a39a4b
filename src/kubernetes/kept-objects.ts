import { componentVersion } from "../resources/kind.ts";
import { wholeFileProblem, type Source } from "../resources/source.ts";
import type { ResourceProblem } from "../resources/problem.ts";
import { ResourceObject } from "../resources/resource-object.ts";
import { jsonMembers } from "../text/json-members.ts";
import type { Kind } from "./kinds.ts";

export type KeptObjectsOptions = {
  readonly kind: Kind;
  readonly namespace: string;
  /** Of objects that are scoped to other apps only what names them is kept. */
  readonly appId: string;
};

const mebibyte = 1024 * 1024;
/** A larger object is none of resources, as with files. */
const largestObject = mebibyte;
/** The most that the objects of a kind may have together. */
const largestTogether = 64 * mebibyte;
/** Brackets in brackets. */
const deepest = 100;

type Kept =
  | { readonly source: Source; readonly problem?: undefined }
  /** It is left out, and why. */
  | { readonly source?: undefined; readonly problem: ResourceProblem };

/** The objects of one kind as the API server told of them, without what changes nothing: labels, annotations, versions. */
export class KeptObjects {
  readonly #options: KeptObjectsOptions;
  readonly #objects = new Map<string, Kept>();
  #size = 0;

  constructor(options: KeptObjectsOptions) {
    this.#options = options;
  }

  /** In the order of their names. */
  get sources(): Source[] {
    return this.#sorted().flatMap(({ source }) => source ?? []);
  }

  /** What is said of those that are left out. */
  get problems(): ResourceProblem[] {
    return this.#sorted().flatMap(({ problem }) => problem ?? []);
  }

  /** Takes an object's JSON. `changed`: something other than before counts now. */
  put(object: string): { readonly name: string | undefined; readonly changed: boolean } {
    const members = jsonMembers(object);
    const name = nameOf(members?.get("metadata"));
    if (members === undefined || name === undefined) return { name: undefined, changed: false };
    const json = this.#jsonOf(name, members);
    const before = this.#objects.get(name);
    this.#size -= sizeOf(before);
    const file = `${this.#options.kind} ${this.#options.namespace}/${name}`;
    const why = this.#whyNot(json);
    const kept: Kept =
      why === undefined
        ? { source: ResourceObject.ofJson(file, json) }
        : { problem: wholeFileProblem("error", file, why) };
    this.#size += sizeOf(kept);
    const isSame =
      before !== undefined &&
      before.source?.text === kept.source?.text &&
      before.problem?.message === kept.problem?.message;
    // The one of before may be marked already with what may be shown of it.
    if (!isSame) this.#objects.set(name, kept);
    return { name, changed: !isSame };
  }

  /** Whether there was one. */
  remove(name: string): boolean {
    this.#size -= sizeOf(this.#objects.get(name));
    return this.#objects.delete(name);
  }

  /** The others are gone. Whether there were any. */
  keepOnly(names: ReadonlySet<string>): boolean {
    const gone = [...this.#objects.keys()].filter((name) => !names.has(name));
    for (const name of gone) this.remove(name);
    return gone.length > 0;
  }

  #sorted(): Kept[] {
    return [...this.#objects].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, kept]) => kept);
  }

  #whyNot(json: string): string | undefined {
    if (json.length > largestObject) return "is larger than 1 MiB, and is left out";
    if (this.#size + json.length > largestTogether)
      return `is left out: all of kind ${this.#options.kind} together are larger than 64 MiB`;
    return isTooDeep(json) ? `is nested deeper than ${deepest} levels, and is left out` : undefined;
  }

  #jsonOf(name: string, members: ReadonlyMap<string, string>): string {
    const { kind, namespace, appId } = this.#options;
    const [spec, auth, scopes] = ["spec", "auth", "scopes"].map((one) => members.get(one));
    const metadata = JSON.stringify({ name, namespace });
    const head = `"apiVersion":"${componentVersion}","kind":"${kind}","metadata":${metadata}`;
    const own = isForOthers(scopes, appId) ? outlineOf(spec) : spec;
    const rest = Object.entries({ spec: own, auth, scopes }).flatMap(([member, text]) =>
      text === undefined ? [] : [`,"${member}":${text}`],
    );
    return `{${head}${rest.join("")}}`;
  }
}

function sizeOf(kept: Kept | undefined): number {
  return kept?.source?.text.length ?? 0;
}

function nameOf(metadata: string | undefined): string | undefined {
  if (metadata === undefined) return undefined;
  const { name } = JSON.parse(metadata) as { name?: unknown };
  return typeof name === "string" && name !== "" ? name : undefined;
}

function isForOthers(scopes: string | undefined, appId: string): boolean {
  if (scopes === undefined) return false;
  const list: unknown = JSON.parse(scopes);
  return Array.isArray(list) && list.length > 0 && !list.includes(appId);
}

/** What other resources may refer to. */
function outlineOf(spec: string | undefined): string {
  const type = spec === undefined ? undefined : jsonMembers(spec)?.get("type");
  return type === undefined ? "{}" : `{"type":${type}}`;
}

function isTooDeep(json: string): boolean {
  let depth = 0;
  let inText = false;
  for (let at = 0; at < json.length; at++) {
    const sign = json.charCodeAt(at);
    if (inText) {
      if (sign === 92) at++;
      else if (sign === 34) inText = false;
    } else if (sign === 34) inText = true;
    else if (sign === 123 || sign === 91) {
      if (++depth > deepest) return true;
    } else if (sign === 125 || sign === 93) depth--;
  }
  return false;
}

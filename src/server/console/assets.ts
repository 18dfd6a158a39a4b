import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { HttpExchange } from "../../rpc/http-exchange.ts";

type Variant = { readonly body: Buffer; readonly etag: string; readonly encoding: string };

type Asset = {
  readonly type: string;
  readonly isImmutable: boolean;
  /** The smallest first; the last is not packed. */
  readonly variants: readonly Variant[];
};

/** What `manifest.json` beside the page's files says: by the path of a URL, the file, and the same packed. */
type Manifest = {
  readonly files: Readonly<
    Record<
      string,
      {
        readonly file: string;
        readonly type: string;
        readonly immutable: boolean;
        readonly encodings?: Readonly<Record<string, { readonly file: string }>>;
      }
    >
  >;
};

const encodings = ["br", "gzip"];

/** The files of the console's page, in memory: no request leads to a file. */
export class ConsoleAssets {
  readonly #assets: ReadonlyMap<string, Asset>;

  private constructor(assets: ReadonlyMap<string, Asset>) {
    this.#assets = assets;
  }

  /** Reads the built page, from the first of these folders that has one. Without one there is a page that says how it is built. */
  static async load(folders: readonly string[] = builtFolders()): Promise<ConsoleAssets> {
    const manifests = await Promise.all(folders.map(readManifest));
    const { folder, manifest } = manifests.find((one) => one !== undefined) ?? {};
    if (folder === undefined || manifest === undefined)
      return new ConsoleAssets(new Map([["/", notBuilt]]));
    const read = async (file: string, encoding: string): Promise<Variant> =>
      variant(await readFile(join(folder, file)), encoding);
    const assets = Object.entries(manifest.files).map(async ([path, one]) => {
      const packed = encodings.flatMap((encoding) => {
        const file = one.encodings?.[encoding]?.file;
        return file === undefined ? [] : [read(file, encoding)];
      });
      const variants = await Promise.all([...packed, read(one.file, "identity")]);
      return [path, { type: one.type, isImmutable: one.immutable, variants }] as const;
    });
    return new ConsoleAssets(new Map(await Promise.all(assets)));
  }

  /** Answers a request for a file; false: there is none of that path. */
  answer(exchange: HttpExchange, path: string): boolean {
    const asset = this.#assets.get(path);
    if (asset === undefined) return false;
    const { type, isImmutable, variants } = asset;
    const accepted = acceptedOf(exchange.get("accept-encoding") ?? "");
    const chosen = variants.find(({ encoding }) => accepted.has(encoding)) ?? variants.at(-1);
    if (chosen === undefined) return false;
    const { body, etag, encoding } = chosen;
    exchange.setHeader("content-type", type);
    exchange.setHeader("vary", "accept-encoding");
    exchange.setHeader("etag", etag);
    const forEver = "public, max-age=31536000, immutable";
    exchange.setHeader("cache-control", isImmutable ? forEver : "no-cache");
    const known = (exchange.get("if-none-match") ?? "").split(",");
    if (known.some((one) => one.trim().replace(/^W\//, "") === etag)) {
      exchange.answer(304);
      return true;
    }
    if (encoding !== "identity") exchange.setHeader("content-encoding", encoding);
    if (exchange.method === "HEAD") {
      exchange.setHeader("content-length", String(body.length));
      exchange.answer(200);
    } else exchange.answer(200, body);
    return true;
  }
}

async function readManifest(
  folder: string,
): Promise<{ folder: string; manifest: Manifest } | undefined> {
  try {
    const text = await readFile(join(folder, "manifest.json"), "utf8");
    return { folder, manifest: JSON.parse(text) as Manifest };
  } catch {
    return undefined;
  }
}

function variant(body: Buffer, encoding: string): Variant {
  const etag = `"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"`;
  return { body, etag, encoding };
}

/** The encodings that an `accept-encoding` allows, but for those with a weight of 0. */
function acceptedOf(header: string): ReadonlySet<string> {
  const names = header.split(",").flatMap((one) => {
    const [name = "", ...parameters] = one.split(";").map((part) => part.trim().toLowerCase());
    return parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter)) ? [] : [name];
  });
  return new Set([...names, "identity"]);
}

/** Where the build puts the page: beside the program, and for a checkout that runs its sources in `dist`. */
function builtFolders(): string[] {
  const here = import.meta.dirname;
  return [resolve(here, "../console"), resolve(here, "../../../dist/console")];
}

const notBuilt: Asset = {
  type: "text/html; charset=utf-8",
  isImmutable: false,
  variants: [
    variant(
      Buffer.from(
        "<!doctype html><html lang=en><title>Cufflink</title><h1>The console is not built</h1><p>Build it by <code>npm run build</code>, and start Cufflink again.",
      ),
      "identity",
    ),
  ],
};

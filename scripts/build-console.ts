// Builds the console's page: `node scripts/build-console.ts [--out FOLDER]`, FOLDER being dist/console unless said
// otherwise. A static bundle: index.html, a script and a style whose names carry a digest of what is in them, each
// compressed ahead, and manifest.json, which lists them.
import { createHash } from "node:crypto";
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { extname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { rolldown } from "rolldown";

const root = resolve(import.meta.dirname, "..");
const source = join(root, "console");

/** What manifest.json says. */
export type ConsoleManifest = {
  /** By the path of their URL. */
  readonly files: Readonly<Record<string, ConsoleFile>>;
};

/** One file of the page. */
export type ConsoleFile = {
  /** Its name in the folder. */
  readonly file: string;
  /** `Content-Type`. */
  readonly type: string;
  /** Its name carries its digest: it may be cached for ever. */
  readonly immutable: boolean;
  readonly bytes: number;
  /** The same, compressed, by the names of `Content-Encoding`. */
  readonly encodings: Readonly<Partial<Record<"br" | "gzip", { file: string; bytes: number }>>>;
};

const types: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
};

if (import.meta.main) {
  const { values } = parseArgs({
    options: { out: { type: "string", default: join(root, "dist/console") } },
  });
  await buildConsole(resolve(values.out));
}

/** Builds the page into the folder `out`. Resolves to the packages that are in it. */
export async function buildConsole(out: string): Promise<readonly string[]> {
  rmSync(out, { recursive: true, force: true });
  mkdirSync(join(out, "assets"), { recursive: true });
  const files: Record<string, ConsoleFile> = {};
  const { script, packages } = await bundle();
  const names = {
    SCRIPT: add("console", ".js", script),
    STYLE: add("console", ".css", styles()),
    ICON: add("icon", ".svg", readFileSync(join(source, "icon.svg"), "utf8")),
  };
  let page = readFileSync(join(source, "index.html"), "utf8");
  for (const [mark, path] of Object.entries(names)) page = page.replace(mark, path);
  files["/"] = write("index.html", page.replaceAll(/>\s+</g, "><"), false);
  const manifest: ConsoleManifest = { files };
  writeFileSync(join(out, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  return packages;

  function add(name: string, extension: string, text: string): string {
    const digest = createHash("sha256").update(text).digest("base64url").slice(0, 10);
    const file = `assets/${name}-${digest}${extension}`;
    files[`/${file}`] = write(file, text, true);
    return `/${file}`;
  }

  function write(file: string, text: string, immutable: boolean): ConsoleFile {
    const bytes = Buffer.from(text);
    writeFileSync(join(out, file), bytes);
    const br = brotliCompressSync(bytes, {
      params: { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
    });
    const gzip = gzipSync(bytes, { level: 9 });
    writeFileSync(join(out, `${file}.br`), br);
    writeFileSync(join(out, `${file}.gz`), gzip);
    return {
      file,
      type: types[extname(file)] ?? "application/octet-stream",
      immutable,
      bytes: bytes.length,
      encodings: {
        br: { file: `${file}.br`, bytes: br.length },
        gzip: { file: `${file}.gz`, bytes: gzip.length },
      },
    };
  }
}

/** The page's program in one module, and the packages that are in it. */
async function bundle(): Promise<{ script: string; packages: readonly string[] }> {
  await using build = await rolldown({
    input: join(source, "src/main.tsx"),
    platform: "browser",
    resolve: { modules: [join(root, "node_modules")] },
    transform: { define: { "process.env.NODE_ENV": '"production"' } },
  });
  const { output } = await build.generate({ format: "esm", minify: true });
  const [chunk] = output;
  const packages = chunk.moduleIds.flatMap(
    (id) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(id)?.[1] ?? [],
  );
  return { script: chunk.code, packages: [...new Set(packages)].toSorted() };
}

/** The style sheets by name, without comments and indentation. */
function styles(): string {
  const sheets = globSync("styles/*.css", { cwd: source }).toSorted();
  const text = sheets.map((sheet) => readFileSync(join(source, sheet), "utf8")).join("\n");
  return text.replaceAll(/\/\*[^]*?\*\//g, "").replaceAll(/\s*\n\s*/g, "\n");
}

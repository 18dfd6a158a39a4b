import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

type Message = {
  readonly id?: number | string;
  readonly method?: string;
  readonly params?: unknown;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
};

export type Diagnostic = {
  readonly message: string;
  /** 1: an error, 2: a warning. */
  readonly severity: number;
  readonly range: { readonly start: { readonly line: number; readonly character: number } };
};

export type Completion = { readonly label: string; readonly documentation: string };

/** yaml-language-server, which VS Code, Neovim, Helix, Emacs and others use, over LSP. */
export class LanguageServer implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #answers = new Map<number, (message: Message) => void>();
  readonly #diagnostics = new Map<string, (found: Diagnostic[]) => void>();
  readonly #settings: object;
  /** Files opened before it has its settings would be looked at without them first. */
  readonly #configured = Promise.withResolvers<void>();
  #received = Buffer.alloc(0);
  #next = 1;

  private constructor(settings: object) {
    this.#settings = settings;
    const main = createRequire(import.meta.url).resolve("yaml-language-server");
    const bin = join(dirname(main), "../../bin/yaml-language-server");
    this.#process = spawn(process.execPath, [bin, "--stdio"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#process.stdout?.on("data", (part: Buffer) => this.#take(part));
  }

  /** `settings`: what an editor has in its settings under `yaml`. */
  static async start(settings: object = {}): Promise<LanguageServer> {
    const server = new LanguageServer(settings);
    const capabilities = {
      textDocument: { completion: { completionItem: { snippetSupport: true } } },
      workspace: { configuration: true, didChangeConfiguration: { dynamicRegistration: true } },
    };
    await server.#ask("initialize", { processId: process.pid, rootUri: null, capabilities });
    server.#tell("initialized", {});
    server.#tell("workspace/didChangeConfiguration", { settings: { yaml: server.#yaml } });
    await server.#configured.promise;
    return server;
  }

  /** What it finds wrong in a file with this text; lines count from 1. */
  async diagnose(path: string, text: string): Promise<{ line: number; message: string }[]> {
    const uri = pathToFileURL(path).href;
    const found = new Promise<Diagnostic[]>((resolve) => this.#diagnostics.set(uri, resolve));
    this.#open(uri, text);
    const diagnostics = await found;
    return diagnostics
      .map(({ message, range }) => ({ line: range.start.line + 1, message }))
      .toSorted((a, b) => a.line - b.line);
  }

  /** What it offers where the text has `|`. */
  async complete(path: string, marked: string): Promise<Completion[]> {
    const uri = pathToFileURL(path).href;
    const before = marked.slice(0, marked.indexOf("|")).split("\n");
    this.#open(uri, marked.replace("|", ""));
    const position = { line: before.length - 1, character: before.at(-1)?.length ?? 0 };
    const answer = await this.#ask("textDocument/completion", { textDocument: { uri }, position });
    const { items } = answer as { items: { label: string; documentation?: unknown }[] };
    return items.map(({ label, documentation }) => ({
      label,
      documentation: textOf(documentation),
    }));
  }

  /** What it shows of the place where the text has `|`. */
  async hover(path: string, marked: string): Promise<string> {
    const uri = pathToFileURL(path).href;
    const before = marked.slice(0, marked.indexOf("|")).split("\n");
    this.#open(uri, marked.replace("|", ""));
    const position = { line: before.length - 1, character: before.at(-1)?.length ?? 0 };
    const answer = await this.#ask("textDocument/hover", { textDocument: { uri }, position });
    return textOf((answer as { contents: unknown } | null)?.contents);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#process, "exit");
    this.#process.kill();
    await ended;
  }

  get #yaml(): object {
    return {
      schemaStore: { enable: false },
      validate: true,
      completion: true,
      hover: true,
      ...this.#settings,
    };
  }

  #open(uri: string, text: string): void {
    this.#tell("textDocument/didOpen", {
      textDocument: { uri, languageId: "yaml", version: this.#next++, text },
    });
  }

  #ask(method: string, params: object): Promise<unknown> {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#answers.set(id, ({ result, error }) => {
        if (error === undefined) resolve(result);
        else reject(new Error(`${method}: ${error.message}`));
      });
      this.#send({ id, method, params });
    });
  }

  #tell(method: string, params: object): void {
    this.#send({ method, params });
  }

  #send(message: Message): void {
    const body = JSON.stringify({ jsonrpc: "2.0", ...message });
    this.#process.stdin?.write(`Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  }

  #take(part: Buffer): void {
    this.#received = Buffer.concat([this.#received, part]);
    for (;;) {
      const end = this.#received.indexOf("\r\n\r\n");
      if (end === -1) return;
      const length = Number(
        /Content-Length: (\d+)/i.exec(this.#received.toString("latin1", 0, end))?.[1],
      );
      if (this.#received.length < end + 4 + length) return;
      const body = this.#received.toString("utf8", end + 4, end + 4 + length);
      this.#received = this.#received.subarray(end + 4 + length);
      this.#handle(JSON.parse(body) as Message);
    }
  }

  #handle(message: Message): void {
    const { id, method, params } = message;
    if (method === undefined) return this.#answers.get(Number(id))?.(message);
    if (method === "textDocument/publishDiagnostics") {
      const { uri, diagnostics } = params as { uri: string; diagnostics: Diagnostic[] };
      this.#diagnostics.get(uri)?.(diagnostics);
    } else if (id !== undefined) {
      this.#send({ id, result: this.#answerTo(method, params) });
      if (method === "workspace/configuration") this.#configured.resolve();
    }
  }

  #answerTo(method: string, params: unknown): unknown {
    if (method !== "workspace/configuration") return null;
    const { items } = params as { items: { section?: string }[] };
    return items.map(({ section }) => (section === "yaml" ? this.#yaml : {}));
  }
}

/** The comment line by which a file names its schema. */
export function modeline(schema: string): string {
  return `# yaml-language-server: $schema=${schema}\n`;
}

export function schemaPath(): string {
  return fileURLToPath(new URL("../../schema/component.schema.json", import.meta.url));
}

function textOf(content: unknown): string {
  if (typeof content === "string") return content;
  if (typeof content !== "object" || content === null) return "";
  return "value" in content ? String(content.value) : JSON.stringify(content);
}

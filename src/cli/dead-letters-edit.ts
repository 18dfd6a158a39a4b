import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import { BindingError, messageOf } from "../errors.ts";
import type { ShownDeadLetter } from "../rpc/records.ts";
import type { DeadLetterChange } from "../runtime/records/dead-letters.ts";
import {
  addClientOptions,
  addDataOption,
  collectPairs,
  createClientFor,
  readData,
} from "./client-options.ts";
import { UsageError } from "./usage-error.ts";

type EditFlags = {
  readonly data?: string;
  readonly nullData?: true;
  readonly key?: string;
  readonly header: readonly [string, string][];
  readonly removeHeader: readonly string[];
};

/** `cufflink dead-letters edit`. */
export function addEditCommand(deadLetters: Command): void {
  const command = deadLetters
    .command("edit")
    .description("change a dead letter's payload, headers or key, by flags or in $EDITOR")
    .argument("<id>", "its id")
    .option("--data <text>", "the new payload");
  addDataOption(command)
    .option("--null-data", "take the payload away, which Kafka calls a tombstone")
    .option("--key <text>", "the new key")
    .option(
      "-H, --header <name=value>",
      "set a header, in place of all of that name; may be repeated",
      collectPairs("--header"),
      [],
    )
    .option(
      "--remove-header <name>",
      "remove a header; may be repeated",
      (name: string, before: readonly string[]) => [...before, name],
      [],
    )
    .addHelpText(
      "after",
      `
Without a flag that says what to change, the payload is opened in $VISUAL or $EDITOR.

Exit code 1: there is no dead letter of that id, or it is being redriven.

Examples:
  cufflink dead-letters edit 019ab2c4-7b11-7cc3-98c4-dc0c0c07398f
  cufflink dead-letters edit 019ab2c4-7b11-7cc3-98c4-dc0c0c07398f --data-file fixed.json
  cufflink dead-letters edit 019ab2c4-7b11-7cc3-98c4-dc0c0c07398f -H tenant=acme
`,
    );
  addClientOptions(command).action(async (id: string) => {
    const flags = command.opts<EditFlags>();
    const data = await readData(command, flags.data);
    if (data !== undefined && flags.nullData) {
      throw new UsageError("--null-data takes the payload away; do not give one too");
    }
    const { key, header, removeHeader, nullData } = flags;
    const inEditor =
      data === undefined &&
      nullData === undefined &&
      key === undefined &&
      header.length + removeHeader.length === 0;
    const editor = process.env["VISUAL"] || process.env["EDITOR"] || "";
    if (inEditor && editor === "") {
      throw new UsageError("say what to change, or set $EDITOR to change the payload in it");
    }
    using client = await createClientFor(command);
    const deadLetter = await client.deadLetters.get(id);
    const edited = inEditor ? await editPayload(deadLetter, editor) : data;
    const change: DeadLetterChange = {
      ...(edited !== undefined && { data: edited }),
      ...(nullData && { data: undefined }),
      ...(key !== undefined && { key: Buffer.from(key) }),
      ...(header.length + removeHeader.length > 0 && {
        headers: changedHeaders(deadLetter, header, removeHeader),
      }),
    };
    if (Object.keys(change).length === 0) {
      process.stderr.write("nothing was changed\n");
      return;
    }
    await client.deadLetters.edit(id, change);
    process.stderr.write(`changed; to have it handled: cufflink dead-letters redrive ${id}\n`);
  });
}

/** The payload as it comes out of the editor; `undefined`: it is as it was. */
async function editPayload(
  { event }: ShownDeadLetter,
  editor: string,
): Promise<Uint8Array | undefined> {
  const before = Buffer.from(event.data ?? []);
  const folder = await mkdtemp(join(tmpdir(), "cufflink-edit-"));
  try {
    const file = join(folder, isJson(before) ? "payload.json" : "payload");
    await writeFile(file, before, { mode: 0o600 });
    // The variable may hold arguments too, as in "code --wait".
    const child = spawn("/bin/sh", ["-c", `${editor} "$1"`, "sh", file], { stdio: "inherit" });
    const [code, signal] = (await once(child, "close")) as [number | null, string | null];
    if (code !== 0) {
      const how = signal === null ? `code ${code}` : signal;
      throw new BindingError("aborted", `${editor} ended with ${how}; nothing was changed`);
    }
    const after = await readFile(file).catch((error: unknown) => {
      throw new BindingError("aborted", `nothing was changed: ${messageOf(error)}`);
    });
    return after.equals(before) ? undefined : after;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function changedHeaders(
  { event }: ShownDeadLetter,
  set: readonly [string, string][],
  removed: readonly string[],
): NonNullable<DeadLetterChange["headers"]> {
  const gone = new Set([...removed, ...set.map(([name]) => name)]);
  const kept = event.headers.filter(({ name }) => !gone.has(name));
  return [...kept, ...set.map(([name, value]) => ({ name, value: Buffer.from(value) }))];
}

function isJson(data: Buffer): boolean {
  try {
    JSON.parse(data.toString());
    return true;
  } catch {
    return false;
  }
}

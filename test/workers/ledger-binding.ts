// A binding of the tests' own: its source is a file of lines `key number`, which it hands out until a second file says
// that they are settled, as a durable source does. Its operations tell the thread that they run in.
import { appendFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { threadId } from "node:worker_threads";
import { BindingError } from "../../src/errors.ts";
import { defineBinding } from "../../src/binding.ts";
import * as fields from "../../src/metadata/fields.ts";

function lines(file: string): string[] {
  try {
    return readFileSync(file, "utf8")
      .split("\n")
      .filter((line) => line !== "");
  } catch {
    return [];
  }
}

const thread = (): Uint8Array => Buffer.from(String(threadId));

export default defineBinding({
  name: "ledger",
  status: "alpha",
  summary: "For tests.",
  metadata: {
    folder: fields.string({ description: "Where its files are.", required: true }),
    refuse: fields.string({ description: "Why it cannot be opened.", default: "" }),
  },
  async open({ component, metadata }) {
    appendFileSync(join(metadata.folder, "opened"), `${component.name} ${threadId}\n`);
    if (metadata.refuse !== "") throw new BindingError("unavailable", metadata.refuse);
    return { folder: metadata.folder, async [Symbol.asyncDispose]() {} };
  },
  operations: {
    create: {
      description: "Notes the payload, and answers the thread.",
      request: {},
      async invoke({ folder }, { data = new Uint8Array() }) {
        const text = Buffer.from(data).toString();
        appendFileSync(join(folder, "calls"), `${text} ${threadId}\n`);
        if (text.includes("slow")) await new Promise((resolve) => setTimeout(resolve, 300));
        return { data: thread() };
      },
    },
    fail: {
      description: "Fails.",
      request: {},
      async invoke() {
        throw new BindingError("unavailable", "as it was told to", { effect: "unsent" });
      },
    },
    end: {
      description: "Ends the thread.",
      request: {},
      invoke: async () => process.exit(1),
    },
  },
  read({ folder }, reading) {
    const name = reading.component.name;
    const held = new Set<string>();
    const stopping = new AbortController();
    const poll = async (): Promise<void> => {
      while (!stopping.signal.aborted) {
        const settled = new Set(lines(join(folder, `${name}.settled`)));
        const open = lines(join(folder, `${name}.events`)).filter(
          (line) => !settled.has(line) && !held.has(line),
        );
        for (const line of open.slice(0, 100)) {
          held.add(line);
          const [key] = line.split(" ");
          await reading.deliver([
            {
              ...{ id: line, key, data: Buffer.from(`${line} ${threadId}`), headers: [] },
              metadata: {},
              settle({ outcome }) {
                if (outcome !== "returned")
                  appendFileSync(join(folder, `${name}.settled`), `${line}\n`);
                held.delete(line);
              },
            },
          ]);
        }
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    void poll();
    return {
      stop: () => stopping.abort(),
      flush() {},
      close() {},
    };
  },
  guarantee: {
    returned: "is read again",
    atLeastOnce: "the files are there",
    key: "the first word of a line",
    duplicates: { app: "those in flight", runtime: "those in flight", server: "none" },
  },
});

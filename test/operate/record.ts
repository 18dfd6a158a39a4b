import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { withFileLock } from "../servers/install.ts";

const file = join(import.meta.dirname, "record.json");

/** What a run of `npm run test:operate` found of one subject: names, versions, figures with their unit in the name. */
export type Facts = Readonly<Record<string, string | number | readonly string[]>>;

/** Keeps what was found in `record.json`, in place of what a run before found of the same subject. */
export async function record(subject: string, facts: Facts): Promise<void> {
  await withFileLock("cufflink-operate-record", async () => {
    const before = JSON.parse(readFileSync(file, "utf8")) as Record<string, Facts>;
    const entries = Object.entries({ ...before, [subject]: facts });
    entries.sort(([a], [b]) => a.localeCompare(b, "en"));
    writeFileSync(file, `${JSON.stringify(Object.fromEntries(entries), null, 2)}\n`);
  });
}

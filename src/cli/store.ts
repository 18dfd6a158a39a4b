import type { Command } from "commander";
import type { CopyCounts, Copying } from "../store/copying.ts";
import type { CheckedStore, Retention } from "../store/store.ts";
import { UsageError } from "./usage-error.ts";

type Flags = {
  from: string;
  to: string;
  appId: string;
  stateDir?: string;
  fromCredentials?: string;
  toCredentials?: string;
  storeReplicas?: string;
  drivers?: string;
  json?: true;
};

type CopyableStore = CheckedStore & { readonly copying: Copying };

/** Nothing is left out for its age, or for what there is: the runtime decides what it keeps. */
const all = Number.POSITIVE_INFINITY;

/** `cufflink store`: durable records, while no runtime has them. */
export function addStoreCommand(program: Command): void {
  const store = program.command("store").description("carry durable records to another store");
  store
    .command("copy")
    .description(
      "copy dead letters, attempt counts, checkpoints, pauses, idempotency keys and history to another store",
    )
    .requiredOption(
      "--from <store>",
      "sqlite, in the folder of --state-dir, or nats://host:4222[,…]",
    )
    .requiredOption("--to <store>", "the same, of the other store")
    .option("--app-id <id>", "the app's id", process.env["APP_ID"] ?? "cufflink")
    .option(
      "--state-dir <folder>",
      "where SQLite files are; default $XDG_STATE_HOME, else ~/.local/state",
    )
    .option(
      "--from-credentials <file>",
      "what logs in to the NATS servers of --from, as --store-credentials",
    )
    .option("--to-credentials <file>", "what logs in to those of --to")
    .option("--store-replicas <n>", "how many servers have a copy of streams that are made")
    .option("--drivers <folder>", "where drivers are looked for after the working directory")
    .option("--json", "print the counts as JSON")
    .addHelpText(
      "after",
      "\nThe source is left as it is. Done again it adds nothing that is there.\n\nExample:\n  cufflink store copy --app-id orders --from sqlite --to nats://nats-1:4222\n",
    )
    .action(async (flags: Flags) => {
      const { from, to } = flags;
      if (from === to) throw new UsageError("--from and --to are the same store");
      const source = await open(flags, from, "--from", flags.fromCredentials);
      try {
        const target = await open(flags, to, "--to", flags.toCredentials);
        try {
          const { copyRecords } = await import("../store/copying.ts");
          const counts = await copyRecords(source.copying, target.copying);
          process.stdout.write(flags.json ? `${JSON.stringify(counts)}\n` : textOf(counts));
        } finally {
          await target.close();
        }
      } finally {
        await source.close();
      }
    });
}

async function open(
  flags: Flags,
  place: string,
  flag: string,
  credentialsFile: string | undefined,
): Promise<CopyableStore> {
  const { loadNatsStore } = await import("../store/open-store.ts");
  const { defaultRetention } = await import("../store/store.ts");
  const retention: Retention = {
    deadLetters: { age: all, count: all, bytes: all },
    history: defaultRetention.history,
  };
  const { appId, drivers, stateDir, storeReplicas } = flags;
  if (place === "sqlite") {
    const { createSqliteStore } = await import("../store/sqlite/sqlite-store.ts");
    const { stateFolder } = await import("../store/state-folder.ts");
    const folder = stateFolder(appId, stateDir, process.env);
    if (folder === undefined)
      throw new UsageError("there is no place for SQLite files; say --state-dir FOLDER");
    return createSqliteStore({ folder, retention });
  }
  const servers = place.split(",").map((one) => one.trim());
  // The value is not quoted: it may have a password.
  if (!servers.every((url) => /^(nats|tls):\/\//i.test(url)))
    throw new UsageError(`${flag} takes sqlite, or nats://HOST:PORT[,…]`);
  if (storeReplicas !== undefined && !/^[1-5]$/.test(storeReplicas))
    throw new UsageError("--store-replicas takes a number from 1 to 5");
  const { createNatsStore, readNatsSettings } = await loadNatsStore();
  const settings = await readNatsSettings(servers, credentialsFile, process.env);
  const replicas = storeReplicas === undefined ? undefined : Number(storeReplicas);
  return createNatsStore({ appId, settings, replicas, retention, driversFolder: drivers });
}

function textOf(counts: CopyCounts): string {
  const lines = Object.entries(counts).map(
    ([kind, { copied, present, "left out": left }]) =>
      `${kind.padEnd(12)} ${copied} copied, ${present} there already${left > 0 ? `, ${left} left out` : ""}`,
  );
  return `${lines.join("\n")}\n`;
}

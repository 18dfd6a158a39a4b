import type { Command } from "commander";

/** A store that replicas share, by flags. */
export type SharedStorePlace = {
  /** Addresses of NATS servers. */
  readonly servers: readonly string[];
  readonly credentialsFile: string | undefined;
  readonly durability: "strict" | "relaxed";
  readonly replicas: number | undefined;
  readonly monitoring: readonly string[];
};

const durabilities = ["strict", "relaxed"] as const;

/** Adds the flags of the store to a command. */
export function addStoreOptions(command: Command): Command {
  return command
    .option(
      "--store <store>",
      "where durable records are kept: sqlite, in the folder of --state-dir; or NATS servers, as nats://host:4222[,…], which replicas share",
      "sqlite",
    )
    .option(
      "--store-credentials <file>",
      "what logs in to the NATS servers of --store: a .creds file, the seed of an NKey, or lines CUFFLINK_STORE_…=value",
    )
    .option(
      "--store-durability <mode>",
      `${durabilities.join(" or ")}; strict: exhausted events wait unless every NATS server is known to sync each write to its disk`,
      "strict",
    )
    .option(
      "--store-replicas <n>",
      "how many servers have a copy of what --store keeps in NATS; default: as many as there are, up to 3",
    )
    .option(
      "--store-monitoring <urls>",
      "where the NATS servers of --store say how they sync: http://host:8222 of each, separated by commas, or nats:// with a user of the system account",
    );
}

/** Reads them; `undefined`: SQLite. Adds what is wrong to the problems. */
export function readStoreOptions(
  flags: { readonly [name: string]: string | boolean | string[] | undefined },
  problems: string[],
): SharedStorePlace | undefined {
  const text = (name: string): string | undefined => {
    const value = flags[name];
    return typeof value === "string" ? value : undefined;
  };
  const store = text("store") ?? "sqlite";
  const durability = durabilities.find((mode) => mode === (text("storeDurability") ?? "strict"));
  if (durability === undefined)
    problems.push(`--store-durability takes ${durabilities.join(" or ")}`);
  const replicas = text("storeReplicas");
  if (replicas !== undefined && !/^[1-5]$/.test(replicas))
    problems.push("--store-replicas takes a number from 1 to 5");
  const monitoring = listOf(text("storeMonitoring") ?? "");
  // Values are not quoted: they may have a password.
  if (!monitoring.every((url) => /^(https?|nats|tls):\/\//i.test(url) && URL.canParse(url)))
    problems.push("--store-monitoring takes http://HOST:8222[,…], or nats://USER:PASSWORD@HOST");
  if (store === "sqlite") {
    for (const [name, flag] of natsFlags)
      if (flags[name] !== undefined) problems.push(`${flag} ${onlyForNats}`);
    if (durability === "relaxed") problems.push(`--store-durability ${onlyForNats}`);
    return undefined;
  }
  const servers = listOf(store);
  if (servers.length === 0 || !servers.every((url) => /^(nats|tls):\/\//i.test(url)))
    problems.push("--store takes sqlite, or nats://HOST:PORT[,…]");
  return {
    ...{ servers, monitoring, credentialsFile: text("storeCredentials") },
    durability: durability ?? "strict",
    replicas: replicas === undefined ? undefined : Number(replicas),
  };
}

/** Flags that say nothing of SQLite, as the command names them. */
const natsFlags = [
  ["storeCredentials", "--store-credentials"],
  ["storeReplicas", "--store-replicas"],
  ["storeMonitoring", "--store-monitoring"],
] as const;
const onlyForNats = "is for a store in NATS; say --store nats://HOST:PORT, too";

function listOf(text: string): string[] {
  return text
    .split(",")
    .map((one) => one.trim())
    .filter(Boolean);
}

import type { Command } from "commander";
import { isOrigin } from "./origin.ts";

/** Who may call beyond programs of this machine and those that know the token. */
export type CallerOptions = {
  /** The origins whose web pages may call. */
  readonly allowOrigins: readonly string[];
  /** The names beside `localhost` that requests on loopback may be for. */
  readonly allowedHosts: readonly string[];
};

/** Adds `--allow-origin` and `--allowed-hosts`. */
export function addCallerOptions(command: Command): Command {
  return command
    .option(
      "--allow-origin <origin>",
      "whose web pages may call, as https://shop.example; * for all; may be repeated",
      (value: string, before: string[]) => [...before, value],
      [],
    )
    .option(
      "--allowed-hosts <hosts>",
      "names of this machine beside localhost, separated by commas; * for any",
      "",
    );
}

/** Reads them, and adds what is wrong to the problems. */
export function readCallerOptions(
  flags: { readonly [name: string]: string | boolean | string[] | undefined },
  problems: string[],
): CallerOptions {
  const { allowOrigin, allowedHosts } = flags;
  const origins = Array.isArray(allowOrigin) ? allowOrigin : [];
  for (const origin of origins) {
    if (isOrigin(origin)) continue;
    problems.push(
      `--allow-origin ${JSON.stringify(origin)} is not an origin such as "https://shop.example", nor *`,
    );
  }
  const hosts = typeof allowedHosts === "string" ? allowedHosts.split(",") : [];
  return {
    allowOrigins: origins,
    allowedHosts: hosts.map((host) => host.trim()).filter((host) => host !== ""),
  };
}

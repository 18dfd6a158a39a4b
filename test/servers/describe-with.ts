import { afterAll, beforeAll, describe, expect, inject } from "vitest";
import type { Address } from "./kind.ts";
import { kindOf } from "./kinds.ts";
import type { OwnServer, ServerName, ServerOptions, SharedServer } from "./kinds.ts";
import { isCi } from "./missing-servers.ts";
import { ask } from "./shared-servers.ts";
import { prepareServer } from "./start-server.ts";

export { uniqueName } from "./unique-name.ts";

/** Asks for a server of the block's own. */
export interface Own {
  readonly own: true;
  /** Whether it is started before the tests of the block. Default: true. */
  readonly started?: boolean;
}

type Shared<Names extends ServerName> = { readonly [Name in Names]: SharedServer<Name> };

/**
 * A `describe` whose tests need a server. Shared by the whole run, unless `own` is asked for. Where the server cannot be
 * had, the tests are skipped and the end of the run says so; with `CI` set the file fails.
 */
export function describeWith<Name extends ServerName>(
  name: Name,
  tests: (server: SharedServer<Name>) => void,
): void;
export function describeWith<Name extends ServerName>(
  name: Name,
  own: Own & ServerOptions<Name>,
  tests: (server: OwnServer<Name>) => void,
): void;
export function describeWith<Name extends ServerName>(
  names: readonly Name[],
  tests: (servers: Shared<Name>) => void,
): void;
export function describeWith(
  names: ServerName | readonly ServerName[],
  ...rest:
    | [tests: (servers: never) => void]
    | [own: Own & ServerOptions<ServerName>, tests: (server: never) => void]
): void {
  const tests = rest.at(-1) as (servers: object) => void;
  const own = rest.length === 2 ? rest[0] : undefined;
  if (typeof names !== "string") {
    describe(`with ${names.join(", ")}`, async () => {
      const found = await Promise.all(names.map((name) => sharedServer(name)));
      const servers = Object.fromEntries(names.map((name, i) => [name, found[i]?.server]));
      block(
        found.every(({ available }) => available),
        () => tests(servers),
      );
    });
    return;
  }
  describe(`with ${own === undefined ? names : `its own ${names}`}`, async () => {
    const { server, available } = await (own === undefined
      ? sharedServer(names)
      : ownServer(names, own));
    block(available, () => tests(server));
  });
}

function block(available: boolean, tests: () => void): void {
  if (available) tests();
  else {
    // oxlint-disable-next-line vitest/no-disabled-tests -- skipped aloud: the end of the run names it
    describe.skip("not run", () => {
      tests();
    });
  }
}

interface Had<Server> {
  readonly server: Server;
  readonly available: boolean;
}

async function sharedServer(name: ServerName): Promise<Had<object>> {
  const answer = await question("shared", name);
  const address = "found" in answer ? answer.found : nowhere(name);
  return {
    server: { ...address, ...kindOf(name).extras(address) },
    available: "found" in answer,
  };
}

async function ownServer(
  name: ServerName,
  options: Own & ServerOptions<ServerName>,
): Promise<Had<OwnServer<ServerName>>> {
  const answer = await question("installed", name);
  const server = await prepareServer(name, options);
  const available = "found" in answer;
  if (available) {
    if (options.started !== false)
      beforeAll(() => server.start(), kindOf(name).startTimeout + 30_000);
    afterAll(() => server[Symbol.asyncDispose](), 60_000);
  } else {
    await server[Symbol.asyncDispose]();
  }
  return { server, available };
}

async function question(what: "shared" | "installed", name: ServerName) {
  const file = expect.getState().testPath ?? "";
  const answer = await ask(inject("serversPort"), what, name, file);
  if ("missing" in answer && isCi()) {
    throw new Error(`${kindOf(name).title} is needed and cannot be had: ${answer.missing}`);
  }
  return answer;
}

/** The address of a server that cannot be had. Blocks are still read for their tests' names; none runs. */
function nowhere(name: ServerName): Address {
  return { host: "127.0.0.1", port: 0, url: kindOf(name).url("127.0.0.1", 0) };
}

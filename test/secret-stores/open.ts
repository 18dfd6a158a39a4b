import { onTestFinished } from "vitest";
import { OpenStore } from "../../src/resources/open-store.ts";
import type { AnySecretStore } from "../../src/secret-store.ts";
import { keepingLogger } from "../runtime/source-event.ts";

/** A store of this type with these properties, closed after the test. */
export function openStore(
  type: AnySecretStore,
  values: Readonly<Record<string, string>>,
  { longestRead = 10_000, env = {} }: { longestRead?: number; env?: Record<string, string> } = {},
): {
  store: OpenStore;
  read: (name: string, namespace?: string) => Promise<object | undefined>;
  logger: ReturnType<typeof keepingLogger>;
} {
  const logger = keepingLogger();
  const none = new Set<string>();
  const store = new OpenStore(
    "vault",
    type,
    { values, unquoted: none, secret: none },
    {
      ...{ env, driversFolder: undefined, longestRead, logger },
    },
  );
  onTestFinished(() => store[Symbol.asyncDispose]());
  const read = async (name: string, namespace = ""): Promise<object | undefined> => {
    const found = await store.read(name, namespace);
    return found && Object.fromEntries(found);
  };
  return { store, read, logger };
}

import type { AnyBinding, Opening } from "../../binding.ts";
import { loadDriver } from "../../drivers.ts";
import { MemoryBudget, type MemoryShare } from "../../memory/budget.ts";
import type { Fields } from "../../metadata/fields.ts";
import { parseFields } from "../../metadata/parse.ts";

/** What a test can give an opened binding in place of what there is otherwise. */
export type OpenOptions = Partial<
  Pick<Opening<Fields>, "logger" | "http" | "signal" | "memory" | "notice">
> & {
  /** The component's name. */
  readonly name?: string;
};

/** A binding's connection, and all that it was handed. */
export type OpenedBinding = {
  readonly connection: AsyncDisposable;
  readonly opening: Opening<Fields>;
  /** Resolves with the reason once the binding says that its connection is gone. */
  readonly lost: Promise<unknown>;
};

/** Opens a binding as the runtime would. Rejects with what is wrong with its metadata, if anything is. */
export async function open(
  binding: AnyBinding,
  properties: Readonly<Record<string, string>>,
  directions: Opening<Fields>["directions"],
  options: OpenOptions = {},
): Promise<OpenedBinding> {
  const { values, problems } = parseFields(binding.metadata as Fields, properties);
  const errors = problems.filter(({ severity }) => severity === "error");
  if (errors.length > 0) throw new Error(errors.map((error) => error.message).join("; "));
  const lost = Promise.withResolvers<unknown>();
  const opening: Opening<Fields> = {
    component: { name: options.name ?? "component", appId: "test" },
    metadata: values,
    directions,
    logger: options.logger ?? silentLogger,
    signal: options.signal ?? AbortSignal.timeout(20_000),
    http: options.http ?? { listen: () => Promise.reject(new Error("nothing is served here")) },
    notice: options.notice ?? (() => {}),
    memory: options.memory ?? newMemory(),
    driver: (name, path) => loadDriver(name, binding.drivers?.[name] ?? "", undefined, path),
    lost: lost.resolve,
  };
  const connection: AsyncDisposable = await binding.open(opening);
  return { connection, opening, lost: lost.promise };
}

/** A share of a budget of its own. */
export function newMemory(): MemoryShare {
  return new MemoryBudget().share("test");
}

const silentLogger = { debug() {}, info() {}, warn() {}, error() {} };

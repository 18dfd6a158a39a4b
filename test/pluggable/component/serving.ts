import { onTestFinished } from "vitest";
import type { AnyBinding } from "../../../src/binding.ts";
import { MemoryBudget } from "../../../src/memory/budget.ts";
import {
  serveComponent,
  type ComponentServer,
} from "../../../src/pluggable/component/component-server.ts";
import { createHttpEndpoints } from "../../../src/server/http-endpoints.ts";
import { keepingLogger } from "../../runtime/source-event.ts";

/** Serves a binding by a socket of the folder, until the end of the test. */
export async function serveIn(
  folder: string,
  binding: AnyBinding,
  {
    type = binding.name,
    mode = 0o600,
    ...rest
  }: { type?: string; mode?: number; idleAfter?: number } = {},
): Promise<ComponentServer & { readonly lines: ReturnType<typeof keepingLogger>["lines"] }> {
  const memory = new MemoryBudget();
  const logger = keepingLogger();
  const server = await serveComponent({
    ...{ folder, binding, type, mode, memory, logger, appId: "shop", store: undefined },
    ...{ http: createHttpEndpoints(memory), driversFolder: undefined, allowExec: false },
    maxMessageSize: 4 * 1024 * 1024,
    ...rest,
  });
  let closed: Promise<void> | undefined;
  const close = (deadline: number): Promise<void> => (closed ??= server.close(deadline));
  onTestFinished(() => close(0));
  return { ...server, close, lines: logger.lines };
}

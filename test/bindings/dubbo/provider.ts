import { onTestFinished } from "vitest";
import { openProvider } from "../../servers/dubbo-provider.ts";

export { encode, type Reply, type Request } from "../../servers/dubbo-provider.ts";

/** A provider that speaks the Dubbo protocol, as its reference has it, until the test ends. */
export async function startProvider(...answer: Parameters<typeof openProvider>) {
  const provider = await openProvider(...answer);
  onTestFinished(() => provider[Symbol.asyncDispose]());
  return provider;
}

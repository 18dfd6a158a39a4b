import { onTestFinished } from "vitest";
import type { AnyBinding } from "../../../src/binding.ts";
import { openOutput } from "../opened-output.ts";
import { bucket, startObjects } from "./stand-in.ts";
import type { Vendor } from "./stand-in.ts";

/** A vendor's stand-in, and an output at it that logs in so; both end with the test. */
export async function serveObjects(
  vendor: Vendor,
  binding: AnyBinding,
  properties: Record<string, string>,
) {
  const server = await startObjects(vendor);
  onTestFinished(() => server[Symbol.asyncDispose]());
  const output = await openOutput(binding, { endpoint: server.url, bucket, ...properties });
  onTestFinished(() => output[Symbol.asyncDispose]());
  return { server, output };
}

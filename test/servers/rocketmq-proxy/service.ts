import { execFileSync } from "node:child_process";
import { resolve } from "node:path";
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import type { DescService } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

const buf = resolve(import.meta.dirname, "../../../node_modules/.bin/buf");
let known: DescService | undefined;

/** RocketMQ's `MessagingService`, as the folder's proto describes it. */
export function messagingService(): DescService {
  if (known !== undefined) return known;
  const set = execFileSync(buf, ["build", import.meta.dirname, "-o", "-"], {
    env: { ...process.env, BUF_CACHE_DIR: "/tmp" },
  });
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, set));
  known = registry.getService("apache.rocketmq.v2.MessagingService");
  if (known === undefined) throw new Error("the proto has no MessagingService");
  return known;
}

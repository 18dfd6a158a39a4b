// Keep-alive, and 1 GiB each way, with each implementation of gRPC.
import { describe } from "vitest";
import { testLongCalls } from "./pair.ts";
import { missingTools, ours, peers } from "./peers.ts";

for (const peer of peers) {
  if (missingTools(peer).length > 0) continue;
  describe(`${peer.name} ${peer.version} calls Cufflink`, () => {
    testLongCalls(peer, ours);
  });
  describe(`Cufflink calls ${peer.name} ${peer.version}`, () => {
    testLongCalls(ours, peer);
  });
}

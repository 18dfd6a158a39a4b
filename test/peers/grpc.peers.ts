// `npm run test:peers`: implementations of gRPC as clients of our server and as servers of our client. They come from their
// registries, and are built once.
import { describe, test } from "vitest";
import { testPair } from "./pair.ts";
import { missingTools, ours, peers } from "./peers.ts";

for (const peer of peers) {
  const missing = missingTools(peer);
  if (missing.length > 0) {
    // oxlint-disable-next-line vitest/no-disabled-tests -- named in the output
    test.skip(`${peer.name}: not run, since there is no ${missing.join(" and no ")}`, () => {});
    continue;
  }
  describe(`${peer.name} ${peer.version} calls Cufflink`, () => {
    testPair(peer, ours);
  });
  describe(`Cufflink calls ${peer.name} ${peer.version}`, () => {
    testPair(ours, peer);
  });
}

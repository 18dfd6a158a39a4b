import { defineConfig } from "vitest/config";

// Set by .ci/run, which makes its closing line of the result.
const resultFile = process.env["CUFFLINK_TEST_RESULT"];

export default defineConfig({
  test: {
    include: [tests()],
    globalSetup: ["test/servers/global-setup.ts"],
    // Each test waits for a condition; these limits only end what hangs.
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // More than the two cores they are meant for: a third of the time tests wait for servers and daemons.
    maxWorkers: 3,
    reporters:
      resultFile === undefined ? ["default"] : ["default", ["json", { outputFile: resultFile }]],
  },
});

/** `npm run test:clients`, `test:interop`, `test:peers` and `test:operate` need other languages, or servers that take minutes to build. */
function tests(): string {
  if (process.env["CUFFLINK_TEST_CLIENTS"]) return "test/examples/*.ts";
  if (process.env["CUFFLINK_TEST_PEERS"]) return "test/peers/*.peers.ts";
  if (process.env["CUFFLINK_TEST_OPERATE"]) return "test/operate/**/*.operate.ts";
  return process.env["CUFFLINK_TEST_INTEROP"] ? "test/interop/*.interop.ts" : "test/**/*.test.ts";
}

import { defineConfig } from "vitest/config";

// Set by .ci/run, which makes its closing line of the result.
const resultFile = process.env["CUFFLINK_TEST_RESULT"];

export default defineConfig({
  test: {
    // `npm run test:clients` needs other languages, and their registries.
    include: [process.env["CUFFLINK_TEST_CLIENTS"] ? "test/examples/*.ts" : "test/**/*.test.ts"],
    globalSetup: ["test/servers/global-setup.ts"],
    // Each test waits for a condition; these limits only end what hangs.
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // One file a core: the real servers and daemons under test share the machine with them.
    maxWorkers: 2,
    reporters:
      resultFile === undefined ? ["default"] : ["default", ["json", { outputFile: resultFile }]],
  },
});

import dubbo from "../../../src/bindings/dubbo/index.ts";
import { startProvider } from "../dubbo/provider.ts";
import { testAttempts } from "./suite.ts";

testAttempts(dubbo, "invoke", async () => {
  const provider = await startProvider(() => ({ value: 1 }));
  return {
    server: provider,
    properties: ({ host, port }) => ({
      ...{ providerHostname: host, providerPort: `${port}` },
      ...{ interfaceName: "shop.Users", methodName: "add" },
    }),
    operation: "invoke",
    request: (mark) => ({
      data: JSON.stringify({ parameterTypes: ["java.lang.String"], arguments: [mark] }),
    }),
    noticesByCall: true,
    done: async (mark) =>
      provider.requests.filter((request) => JSON.stringify(request).includes(mark)).length,
  };
});

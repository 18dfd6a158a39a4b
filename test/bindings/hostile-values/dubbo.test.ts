import dubbo from "../../../src/bindings/dubbo/index.ts";
import type { OpenedOutput } from "../opened-output.ts";
import { startProvider, type Request } from "../dubbo/provider.ts";
import { testHostileValues } from "./suite.ts";

const places = ["the interface", "the method", "the version", "the group", "an argument"];

testHostileValues(dubbo, places, async () => {
  const provider = await startProvider(() => ({ value: 1 }));
  const arrived = (show: (request: Request) => unknown) => async () =>
    provider.requests.splice(0).map((request) => String(show(request)));
  const place = (name: string, show: (request: Request) => unknown) => ({
    send: (output: OpenedOutput, value: string) =>
      output.invoke("invoke", { methodName: "find", [name]: value }, { data: "{}" }),
    arrived: arrived(show),
  });
  return {
    properties: provider.properties,
    places: {
      "the interface": place("interfaceName", ({ path }) => path),
      "the method": place("methodName", (request) => request.arguments[0]),
      "the version": place("version", ({ version }) => version),
      "the group": place("group", ({ attachments }) => attachments["group"]),
      "an argument": {
        send: (output, value) =>
          output.invoke(
            "invoke",
            { methodName: "find" },
            { data: JSON.stringify({ parameterTypes: ["java.lang.String"], arguments: [value] }) },
          ),
        arrived: arrived((request) => (request.arguments[2] as unknown[])[0]),
      },
    },
  };
});

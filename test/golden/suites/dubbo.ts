import { openProvider } from "../../servers/dubbo-provider.ts";
import type { Call, Suite } from "../suite.ts";

/** The types of the parameters and the arguments in Hessian 2, in which short ASCII texts are a byte and their letters. */
const hessian = (...texts: readonly string[]): string =>
  texts.map((text) => String.fromCharCode(text.length) + text).join("");

const aText = hessian("Ljava/lang/String;", "Ada");

/** With the provider of the tests: Dubbo's own takes seconds to start. A daprd that cannot reach a provider ends. */
export const dubbo: Suite = {
  name: "dubbo",
  servers: [],
  async prepare() {
    const provider = await openProvider(({ method, arguments: [name] }) => {
      if (method === "sayHello") return { value: `hello ${String(name)}` };
      if (method === "nothing") return { value: null };
      return { status: 40, text: `no method "${method}"` };
    });
    const { providerHostname = "", providerPort = "", interfaceName = "" } = provider.properties;
    const users = { providerHostname, providerPort, interfaceName, version: "1.0.0" };
    const one = (name: string, metadata: Record<string, string>, data: string = aText): Call => ({
      ...{ name, binding: "users", operation: "get", metadata, data },
      // Over HTTP data are JSON, which is no Hessian 2.
      deadline: 20_000,
    });
    return {
      components: [{ name: "users", type: "bindings.dubbo", metadata: {} }],
      names: [[providerPort, "{port}"]],
      calls: [
        one("a text", { ...users, methodName: "sayHello" }),
        one("of a group", { ...users, group: "shop", methodName: "sayHello" }),
        one("no result", { ...users, methodName: "nothing" }, hessian("")),
        one("a method that is not there", { ...users, methodName: "nowhere" }),
        one("no method", users),
        one("no interface", { providerHostname, providerPort, methodName: "sayHello" }),
        { name: "no operation", binding: "users" },
        { name: "an operation that is not there", binding: "users", operation: "create" },
      ],
      close: () => provider[Symbol.asyncDispose](),
    };
  },
};

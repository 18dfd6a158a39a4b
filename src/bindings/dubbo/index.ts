import { defineBinding } from "../../binding.ts";
import { problemsOf } from "../../check-settings.ts";
import { callGeneric, callRaw } from "./call.ts";
import { callFields, dubboFields } from "./fields.ts";
import { checkSettings, Providers } from "./providers.ts";

/** Calls methods of services that speak the Dubbo protocol. */
export default defineBinding({
  name: "dubbo",
  aliases: ["alicloud.dubbo"],
  status: "alpha",
  summary: "Calls methods of Apache Dubbo services, with JSON or Hessian 2.",
  provedBy: [
    { system: "Apache Dubbo", kind: "real" },
    { system: "Dubbo's providers", kind: "stand-in" },
  ],
  metadata: dubboFields,

  check: (metadata) => problemsOf([() => checkSettings(metadata)]),

  async open({ metadata, memory, signal }) {
    checkSettings(metadata);
    const providers = new Providers(metadata, memory);
    try {
      await providers.ping(signal);
      return providers;
    } catch (error) {
      await providers[Symbol.asyncDispose]();
      throw error;
    }
  },

  operations: {
    get: {
      description:
        "Calls the method with arguments in Hessian 2, behind the text of their types, and answers the body of the response as it came. Not for HTTP's JSON.",
      request: callFields,
      invoke: async (providers, call) => ({ data: await callRaw(providers, call) }),
    },
    invoke: {
      description:
        'Calls the method with JSON, `{"parameterTypes": ["java.lang.String"], "arguments": ["x"]}`, and answers the JSON of what it returns. Dapr has no such operation.',
      request: callFields,
      invoke: async (providers, call) => ({ data: await callGeneric(providers, call) }),
    },
  },

  async examine(_providers, { unknown, omit }) {
    omit("authenticated");
    unknown("exists", "", "a provider names its methods only when one is called");
    unknown("may write", "", "only calling a method tells");
  },

  async ping(providers, signal) {
    await providers.ping(signal);
  },
});

import { deniedVariable } from "../../denied-variable.ts";
import { string } from "../../metadata/fields.ts";
import { defineSecretStore, singleValue } from "../../secret-store.ts";

/** Environment variables of the process as secrets. */
export default defineSecretStore({
  name: "local.env",
  status: "stable",
  summary: "Reads secrets from environment variables of the process.",

  metadata: {
    prefix: string({
      description: "The prefix of the variables: it precedes the name of a secret.",
      default: "",
      example: "SHOP_",
    }),
  },

  open: ({ metadata: { prefix }, env }) => ({
    read(name) {
      const value = env[prefix + name];
      const isThere = value !== undefined && deniedVariable(prefix + name, env) === undefined;
      return Promise.resolve(isThere ? singleValue(name, value) : undefined);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }),
});

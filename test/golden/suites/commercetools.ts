import {
  clientId,
  clientSecret,
  projectKey,
  scopes,
  startCommercetools,
} from "../../servers/commercetools.ts";
import { inPlaceOf } from "../in-place-of.ts";
import type { Call, Suite } from "../suite.ts";

const domain = "europe-west1.gcp.commercetools.com";

/** With the stand-in of the tests in commercetools' place. */
export const commercetools: Suite = {
  name: "commercetools",
  servers: [],
  async prepare() {
    const place = await inPlaceOf([`api.${domain}`, `auth.${domain}`], startCommercetools);
    const { environment, caCert } = place;
    const project = { region: "europe-west1", provider: "gcp", projectKey };
    const client = { clientID: clientId, clientSecret, scopes };
    const component = (name: string, metadata: Record<string, string> = {}) => ({
      ...{ name, type: "bindings.commercetools" },
      metadata: { ...project, ...client, caCert, ...metadata },
    });
    const one = (name: string, data: unknown, binding = "shop"): Call => ({
      ...{ name, binding, operation: "create", data },
    });
    const query = (text: string, commercetoolsAPI = "GraphQLQuery") => ({
      ...{ commercetoolsAPI, query: text },
    });
    return {
      environment,
      components: [
        component("shop"),
        component("stranger", { clientSecret: "another" }),
        component("elsewhere", { projectKey: "another" }),
      ],
      calls: [
        one("a query", query("{ project { key name } }")),
        one("a mutation", query('mutation { createOrder(text: "hat") { id version } }')),
        one("names in other letters", {
          COMMERCETOOLSAPI: "GraphQLQuery",
          QUERY: "{ project { key } }",
        }),
        one("no API", { query: "{ project { key } }" }),
        one("another API", query("{ project { key } }", "Other")),
        one("no query", query("")),
        one("what is no JSON", "x"),
        one("a document that is none", query("{ nothing }")),
        one("a refused mutation", query('mutation { updateOrder(id: "9", version: 1) { id } }')),
        one("a client that is none", query("{ project { key } }"), "stranger"),
        one("another project", query("{ project { key } }"), "elsewhere"),
        { name: "an operation that is not there", binding: "shop", operation: "get" },
      ],
      close: () => place.close(),
    };
  },
};

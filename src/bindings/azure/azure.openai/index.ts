import { defineBinding } from "../../../binding.ts";
import type { Answer } from "../../../binding.ts";
import { problemsOf } from "../../../check-settings.ts";
import { BindingError } from "../../../errors.ts";
import { examineByRequest } from "../../../examine-by-request.ts";
import { parseAddress } from "../../../http-client/address.ts";
import { prefixed } from "../../../http-client/prefixed.ts";
import { isObject, ServiceClient } from "../../../http-client/service-client.ts";
import { entraDrivers, needsEntraDriver, openEntra } from "../../../identity/azure/entra.ts";
import { formatDuration } from "../../../metadata/duration.ts";
import { openaiFields } from "./fields.ts";

import { listIn, Models } from "./model.ts";
import { chatRequest, completionRequest, embeddingRequest } from "./requests.ts";

/** Asks models that are deployed in Azure OpenAI. */
export default defineBinding({
  name: "azure.openai",
  status: "beta",
  summary: "Asks language models of Azure OpenAI for completions and embeddings.",
  provedBy: [
    { system: "Azure OpenAI", kind: "stand-in" },
    { system: "Microsoft Entra ID", kind: "stand-in" },
  ],
  drivers: entraDrivers,
  needsDriver: (_name, metadata) => !metadata.apiKey && needsEntraDriver(metadata),
  metadata: openaiFields,

  check: ({ endpoint }) => problemsOf([() => checkEndpoint(endpoint)]),

  async open({ metadata, memory, driver, hide }) {
    const { endpoint, apiKey, caCert, maxResponseBodySize: maxBody } = metadata;
    checkEndpoint(endpoint);
    const login = apiKey ? { apiKey } : { entra: openEntra({ settings: metadata, driver, hide }) };
    const client = await ServiceClient.open({ url: endpoint, memory, hide, caCert });
    return {
      models: new Models({ client, login, endpoint, maxBody }),
      [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
    };
  },

  async examine({ models }, questions) {
    const { signal, unknown, omit } = questions;
    omit("exists");
    await examineByRequest(questions, () => models.examine(signal), [["authenticated", ""]]);
    unknown("may write", "", "each call names its deployment, and is paid for");
  },

  operations: {
    "chat-completion": {
      description:
        "Continues a conversation. The data are a JSON object with `deploymentID` and `messages`; the answer is the list of choices.",
      request: {},
      invoke: ({ models }, { data, signal }) =>
        timed("chat-completion", "error performing chat completion: ", async () =>
          listIn(await models.ask("chat/completions", chatRequest(data), signal), "choices"),
        ),
    },
    completion: {
      description:
        "Continues a text. The data are a JSON object with `deploymentID` and `prompt`; the answer is the list of choices.",
      request: {},
      invoke: ({ models }, { data, signal }) =>
        timed("completion", "error performing completion: ", async () =>
          listIn(await models.ask("completions", completionRequest(data), signal), "choices"),
        ),
    },
    "get-embedding": {
      description:
        "Turns a text into a vector. The data are a JSON object with `deploymentID` and `message`; the answer is a list of numbers.",
      request: {},
      idempotent: true,
      invoke: ({ models }, { data, signal }) =>
        timed("get-embedding", "error performing get embedding operation: ", async () => {
          const answer = await models.ask("embeddings", embeddingRequest(data), signal);
          const [first] = listIn(answer, "data");
          return isObject(first) ? listIn(first, "embedding") : [];
        }),
    },
  },
});

/** The answer as JSON, and how long it took. */
async function timed(
  operation: string,
  prefix: string,
  ask: () => Promise<readonly unknown[]>,
): Promise<Answer> {
  const start = new Date();
  const began = performance.now();
  const data = Buffer.from(JSON.stringify(await prefixed(prefix, ask())));
  const metadata = {
    operation,
    "start-time": start.toISOString(),
    "end-time": new Date().toISOString(),
    duration: formatDuration(performance.now() - began),
  };
  return { data, metadata };
}

function checkEndpoint(endpoint: string): void {
  parseAddress(endpoint);
  if (/[?#]/.test(endpoint))
    throw new BindingError("invalid_argument", "endpoint must have no query and no fragment");
}

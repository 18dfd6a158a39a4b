import { defineBinding } from "../../binding.ts";
import type { Call } from "../../binding.ts";
import { problemsOf } from "../../check-settings.ts";
import { examineByRequest } from "../../examine-by-request.ts";
import { ServiceClient } from "../../http-client/service-client.ts";
import { goUnquote } from "../../text/go-unquote.ts";
import { Account, cloudflareApi } from "./account.ts";
import { deploy } from "./deploy.ts";
import { queuesFields } from "./fields.ts";
import { readSettings } from "./settings.ts";
import { Worker } from "./worker.ts";

const empty = new Uint8Array();

/** Sends messages to a queue of Cloudflare, through the worker that Dapr has for it. */
export default defineBinding({
  name: "cloudflare.queues",
  status: "beta",
  summary: "Sends messages to a queue of Cloudflare, through a worker.",
  provedBy: [{ system: "Cloudflare Workers", kind: "stand-in" }],
  metadata: queuesFields,
  example: {
    workerUrl: "https://shop-queues.example.workers.dev",
    // The key of RFC 8410's examples: any other would look like a secret.
    key: `-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----`,
  },

  check: (metadata) => problemsOf([() => readSettings(metadata)]),

  async open({ metadata, memory, hide, logger, signal, examines }) {
    const { workerName: name, queueName: queue } = metadata;
    const { workerUrl, key, timeout, ...settings } = readSettings(metadata);
    const client = await ServiceClient.open({
      ...{ url: workerUrl || cloudflareApi, memory, hide, caCert: metadata.caCert },
    });
    const account = settings.account && new Account({ client, ...settings.account, timeout });
    const url = async (asking: AbortSignal): Promise<string> =>
      (await account?.workerUrl(name, asking)) ?? workerUrl;
    const worker = new Worker({ client, url, name, queue, key, timeout });
    try {
      if (!examines) {
        if (account === undefined) await worker.check(signal);
        else await deploy({ account, worker, name, queue, key, logger }, signal);
      }
      return { worker, [Symbol.asyncDispose]: () => client[Symbol.asyncDispose]() };
    } catch (error) {
      await client[Symbol.asyncDispose]();
      throw error;
    }
  },

  operations: {
    create: { description: "Sends the data as a message.", request: {}, invoke: publish },
    publish: { description: "The same as `create`.", request: {}, invoke: publish },
  },

  async examine({ worker }, questions) {
    const { metadata, signal, unknown } = questions;
    const queue = `queue ${metadata.queueName}`;
    const told = [
      ["authenticated", ""],
      ["exists", queue],
    ] as const;
    await examineByRequest(questions, () => worker.check(signal), told);
    unknown("may write", queue, "only sending a message tells");
  },

  ping: ({ worker }, signal) => worker.check(signal),
});

type Connection = AsyncDisposable & { readonly worker: Worker };
type PublishCall = Call<typeof queuesFields, Readonly<Record<never, never>>>;

async function publish({ worker }: Connection, call: PublishCall): Promise<void> {
  const { data = empty, signal } = call;
  await worker.publish(goUnquote(data) ?? data, signal);
}

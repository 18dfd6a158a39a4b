import { abortable } from "../../abortable.ts";
import { BindingError } from "../../errors.ts";
import { TurnoverMap } from "../../memory/turnover-map.ts";
import { routeAnswer } from "./answers.ts";
import type { RocketmqClient } from "./client.ts";
import { routeRequest } from "./requests.ts";
import type { Address, Queue, Resource } from "./requests.ts";

export type Place = { readonly queue: Queue; readonly client: RocketmqClient };

/** Milliseconds. */
const freshFor = 30_000;
/** Topics may be named by callers. */
const mostTopics = 1_024;
const mostProxies = 64;

type Known = { readonly queues: readonly Queue[]; readonly at: number };

/** Where the queues of topics are. Proxies that serve one broker each have connections of their own. */
export class Routes implements AsyncDisposable {
  readonly client: RocketmqClient;
  readonly #known = new TurnoverMap<string, Known>();
  readonly #asking = new Map<string, Promise<readonly Queue[]>>();
  readonly #clients = new Map<string, RocketmqClient>();
  #turn = 0;

  constructor(client: RocketmqClient) {
    this.client = client;
  }

  /** All queues of a topic. Throws a `BindingError`: nothing was sent. */
  async of(topic: Resource, signal: AbortSignal): Promise<readonly Queue[]> {
    const key = `${topic.namespace}%${topic.name}`;
    const known = this.#known.get(key);
    if (known !== undefined && performance.now() - known.at < freshFor) return known.queues;
    let asking = this.#asking.get(key);
    if (asking === undefined) {
      asking = this.#ask(topic, key).finally(() => this.#asking.delete(key));
      this.#asking.set(key, asking);
    }
    return abortable(
      asking,
      signal,
      () =>
        new BindingError("cancelled", "binding-rocketmq: cancelled before anything was sent", {
          effect: "unsent",
          cause: signal.reason,
        }),
    );
  }

  forget(topic: Resource): void {
    this.#known.delete(`${topic.namespace}%${topic.name}`);
  }

  /** One queue after the other; of a group always the same. */
  async toSend(topic: Resource, group: string, signal: AbortSignal): Promise<Place> {
    const queues = (await this.of(topic, signal)).filter(
      ({ isWritable, brokerId }) => isWritable && brokerId === 0,
    );
    const at = group === "" ? this.#turn++ : hashOf(group);
    const queue = queues[at % Math.max(1, queues.length)];
    if (queue === undefined) {
      this.forget(topic);
      const text = `binding-rocketmq: the topic ${topic.name} has no queue that can be written`;
      throw new BindingError("unavailable", text, { effect: "unsent" });
    }
    return { queue, client: this.clientOf(queue.addresses) };
  }

  /** The connection to a proxy of that address. */
  clientOf(addresses: readonly Address[]): RocketmqClient {
    const [first] = addresses;
    const own = this.client.address;
    const isOwn = addresses.some(({ host, port }) => host === own.host && port === own.port);
    if (first === undefined || isOwn) return this.client;
    const key = `${first.host}:${first.port}`;
    const known = this.#clients.get(key);
    if (known !== undefined) return known;
    // A server that names ever others is followed no further.
    if (this.#clients.size >= mostProxies) return this.client;
    const client = this.client.at(first);
    this.#clients.set(key, client);
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const all = [this.client, ...this.#clients.values()];
    await Promise.all(all.map((client) => client[Symbol.asyncDispose]()));
  }

  async #ask(topic: Resource, key: string): Promise<readonly Queue[]> {
    const what = `binding-rocketmq: the topic ${topic.name}`;
    const message = routeRequest(topic, this.client.address);
    try {
      const queues = routeAnswer(await this.client.call("QueryRoute", message, { what }));
      if (this.#known.size >= mostTopics) this.#known.clear();
      this.#known.set(key, { queues, at: performance.now() });
      return queues;
    } catch (error) {
      const { reason, message: text, effect, systemCode } = BindingError.from(error, "unavailable");
      // Nothing of the message itself was sent, whatever became of the question.
      throw new BindingError(reason, text, {
        effect: effect === "rejected" ? "rejected" : "unsent",
        systemCode,
        cause: error,
      });
    }
  }
}

function hashOf(text: string): number {
  let hash = 2_166_136_261;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 16_777_619);
  return hash >>> 0;
}

import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { reservePort } from "../servers/ports.ts";
import { until } from "../until.ts";
import { startApp, deliveries, type App, type AppOrder, type Delivery } from "./app.ts";
import { judge, type Verdict } from "../faults/oracle.ts";
import { deadLetters } from "./operations.ts";
import { eventMaker, type ProducedEvent } from "./events.ts";
import type { Bench } from "./row.ts";
import {
  componentText,
  prepareRuntime,
  retryForever,
  type Contender,
  type Runtime,
} from "./runtime.ts";
import { openSource, type Source, type SourceName } from "./sources.ts";

export type TrialOptions = {
  readonly source: SourceName;
  /** Of a Kafka topic. Default 3. */
  readonly partitions?: number;
  /** Over how many keys the events go in turn. Default 10. */
  readonly keys?: number;
  readonly app?: Omit<AppOrder, "port" | "file" | "bindings">;
  /** Further resource files. */
  readonly resources?: Readonly<Record<string, string>>;
};

/** A source, a runtime between it and an app, and what was sent. Nothing is started but the source. */
export class Trial implements AsyncDisposable {
  readonly runtime: Runtime;
  readonly source: Source;
  readonly produced: ProducedEvent[] = [];
  readonly #order: AppOrder;
  readonly #next: () => ProducedEvent;
  #app: App | undefined;

  private constructor(source: Source, runtime: Runtime, order: AppOrder, keys: number) {
    this.source = source;
    this.runtime = runtime;
    this.#order = order;
    this.#next = eventMaker(keys);
  }

  static async open(
    contender: Contender,
    { folder: below, daprd, systems }: Bench,
    { source: name, partitions = 3, keys = 10, app = {}, resources = {} }: TrialOptions,
  ): Promise<Trial> {
    const folder = await mkdtemp(join(below, "trial-"));
    const source = await openSource(name, systems, partitions);
    const port = await reservePort();
    const { component } = source;
    const tuned = contender === "daprd-tuned";
    const metadata = { ...component.metadata, ...(tuned ? source.tuned : {}) };
    const runtime = await prepareRuntime(
      contender,
      { folder, daprd },
      {
        appPort: port,
        resources: {
          "in.yaml": componentText({ ...component, metadata }),
          ...(tuned ? { "resiliency.yaml": retryForever(component.name) } : {}),
          ...resources,
        },
      },
    );
    const order = { ...app, port, file: join(folder, "journal"), bindings: [component.name] };
    return new Trial(source, runtime, order, keys);
  }

  async startApp(): Promise<void> {
    this.#app = await startApp(this.#order);
  }

  async killApp(): Promise<void> {
    await this.#app?.kill();
  }

  async send(): Promise<void> {
    const event = this.#next();
    await this.source.send(event);
    this.produced.push(event);
  }

  /** Sends at a fixed rate; `before` is awaited with each event's number. */
  async sendPaced(
    count: number,
    perSecond: number,
    before: (number: number) => Promise<void> | void = () => {},
  ): Promise<void> {
    const began = Date.now();
    for (let number = 0; number < count; number++) {
      await before(number);
      const early = began + (number * 1000) / perSecond - Date.now();
      if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
      await this.send();
    }
  }

  deliveries(): Promise<readonly Delivery[]> {
    return deliveries(this.#order.file);
  }

  async handled(): Promise<readonly Delivery[]> {
    return (await this.deliveries()).filter(({ verdict }) => verdict === "handled");
  }

  /** Those of the produced events that no app has handled. */
  async open(): Promise<readonly ProducedEvent[]> {
    const done = new Set((await this.handled()).map(({ uuid }) => uuid));
    return this.produced.filter(({ uuid }) => !done.has(uuid));
  }

  /** Waits until at most `remaining` produced events are open, or none was handled for that many milliseconds. */
  async untilQuiet(quiet: number, remaining = 0): Promise<void> {
    let [count, moved] = [-1, Date.now()];
    for (;;) {
      const { length } = await this.open();
      if (length <= remaining) return;
      if (length !== count) [count, moved] = [length, Date.now()];
      if (Date.now() - moved > quiet) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** What became of all that was produced. Each was confirmed by its server, so each counts. */
  async verdict(): Promise<Verdict> {
    return judge({
      produced: this.produced.map(({ key, sequence, uuid, sent }) => ({
        ...{ key, sequence, uuid },
        ...{ at: sent, durable: true },
      })),
      handled: (await this.handled()).map((delivery) => ({ ...delivery, receivedAt: delivery.at })),
    });
  }

  /** Resolves to how many dead letters there are, once there are that many or the time is over. */
  async untilDeadLetters(count: number, within: number): Promise<number> {
    const end = Date.now() + within;
    for (;;) {
      const found = await deadLetters(this.runtime.httpPort);
      if (found >= count || Date.now() > end) return found;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }

  /** Sends single events until one comes through, so that the way from source to app is open; they count. */
  async warm(): Promise<void> {
    await this.send();
    await until(async () => (await this.handled()).length > 0, {
      what: () => `a first event:\n${this.runtime.log().slice(-4000)}`,
      within: 60_000,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.runtime.end();
    await this.runtime[Symbol.asyncDispose]();
    await this.#app?.kill();
    await this.source[Symbol.asyncDispose]();
  }
}

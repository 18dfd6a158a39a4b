import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { uniqueName } from "../../servers/unique-name.ts";
import { reloads } from "../operations.ts";
import type { Bench, Row } from "../row.ts";
import {
  componentText,
  prepareRuntime,
  type Component,
  type Contender,
  type Runtime,
} from "../runtime.ts";
import { Trial } from "../trial.ts";

const watched = 10_000;
const edits = 20;
/** Milliseconds from edit to edit. */
const between = 700;
const perSecond = 100;
const quiet = 15_000;
const tuning = "`ignoreErrors: true` on the component";

/** A component file is edited to something that does not work, while the component is in use. */
export const badReloads: readonly Row[] = [
  badEdit("unreachable", "edited to a host that nobody answers at", (component) => ({
    ...component,
    metadata: { ...component.metadata, redisHost: "127.0.0.1:1" },
  })),
  badEdit("misspelt", "edited so that `redisHost` is spelt `redisHots`", (component) => {
    const { redisHost = "", ...rest } = component.metadata;
    return { ...component, metadata: { ...rest, redisHots: redisHost } };
  }),
  halfOfTwentyEdits(),
];

async function cache({ systems }: Bench, contender: Contender): Promise<Component> {
  const redis = await systems.redis();
  return {
    name: "cache",
    type: "bindings.redis",
    metadata: { redisHost: `${redis.host}:${redis.port}`, redisPassword: "" },
    ignoreErrors: contender === "daprd-tuned",
  };
}

/** Calls the output every 50 ms until told to stop; resolves to how many calls failed. */
function callsOf(runtime: Runtime): { stop(): Promise<{ calls: number; failed: number }> } {
  const going = new AbortController();
  const done = (async () => {
    const count = { calls: 0, failed: 0 };
    const body = JSON.stringify({
      operation: "create",
      data: "x",
      metadata: { key: uniqueName("reload") },
    });
    while (!going.signal.aborted) {
      const answer = await fetch(`http://127.0.0.1:${runtime.httpPort}/v1.0/bindings/cache`, {
        method: "POST",
        body,
        signal: AbortSignal.timeout(10_000),
      }).catch(() => undefined);
      await answer?.arrayBuffer();
      count.calls++;
      if (answer?.ok !== true) count.failed++;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return count;
  })();
  return {
    stop() {
      going.abort();
      return done;
    },
  };
}

function badEdit(which: string, what: string, edit: (component: Component) => Component): Row {
  return {
    name: `reload-${which}`,
    title: `a Redis output in use is ${what}`,
    tuning,
    async run(contender, bench) {
      const component = await cache(bench, contender);
      const folder = await mkdtemp(join(bench.folder, "reload-"));
      const place = { folder, daprd: bench.daprd };
      const resources = { "cache.yaml": componentText(component) };
      await using runtime = await prepareRuntime(contender, place, { resources });
      await runtime.start();
      const before = callsOf(runtime);
      await new Promise((resolve) => setTimeout(resolve, 2000));
      const { failed: early } = await before.stop();
      if (early > 0) throw new Error(`${early} calls failed before the edit:\n${runtime.log()}`);
      const after = callsOf(runtime);
      await runtime.write("cache.yaml", componentText(edit(component)));
      await new Promise((resolve) => setTimeout(resolve, watched));
      const { calls, failed } = await after.stop();
      const ended = runtime.ended();
      const seen = contender === "cufflink" ? reloads(runtime.log()) : undefined;
      if (seen?.refused === 0) throw new Error(`the edit was not refused:\n${runtime.log()}`);
      await runtime.end();
      const fate = ended === undefined ? "the process lives" : `**the process ended** (${ended})`;
      const text = `${failed} of ${calls} calls failed in the ${watched / 1000} s after; ${fate}`;
      return {
        text: failed > 0 ? text.replace(/^\S+ of \S+/, "**$&**") : text,
        lost: failed,
        reordered: 0,
      };
    },
  };
}

/** Alternately right and wrong edits of an input and an output, while both are in use. */
function halfOfTwentyEdits(): Row {
  return {
    name: "reload-half",
    title: `${edits} edits, half of them invalid, of a RabbitMQ input and a Redis output in use; ${perSecond} events/s`,
    tuning: "`ignoreErrors: true` on both components, Resiliency that retries for ever",
    async run(contender, bench) {
      const output = await cache(bench, contender);
      await using trial = await Trial.open(contender, bench, {
        source: "rabbitmq",
        resources: { "cache.yaml": componentText(output) },
      });
      const { runtime } = trial;
      const input: Component = {
        ...trial.source.component,
        ignoreErrors: contender === "daprd-tuned",
      };
      await trial.startApp();
      await runtime.start();
      await trial.warm();
      const calls = callsOf(runtime);
      let endedAt: number | undefined;
      let edited = 0;
      const total = Math.ceil(((edits + 2) * between * perSecond) / 1000);
      const perEdit = (between * perSecond) / 1000;
      await trial.sendPaced(total, perSecond, async (number) => {
        if (number % perEdit !== 0 || number === 0 || edited === edits) return;
        if (runtime.ended() !== undefined) endedAt ??= edited;
        const edit = edited++;
        const one = edit % 4 < 2 ? output : input;
        const file = one === output ? "cache.yaml" : "in.yaml";
        const invalid = edit % 2 === 0;
        await runtime.write(file, componentText(edition(one, edit, invalid)));
      });
      const { calls: made, failed } = await calls.stop();
      const seen = contender === "cufflink" ? reloads(runtime.log()) : undefined;
      const before = await trial.open();
      if (runtime.ended() === undefined) await trial.untilQuiet(quiet);
      const undelivered = (await trial.open()).length;
      if (undelivered > 0) {
        // Whoever looks after it corrects the files and starts it again.
        await runtime.end();
        await runtime.write("cache.yaml", componentText(output));
        await runtime.write("in.yaml", componentText(input));
        await runtime.start();
        await trial.untilQuiet(quiet);
      }
      const { lost: missing, duplicates } = await trial.verdict();
      const lost = missing.length;
      const text = [
        endedAt === undefined ? "the process lives" : `**the process ended after edit ${endedAt}**`,
        ...(seen === undefined
          ? []
          : [`${seen.applied} definitions taken over, ${seen.refused} refused`]),
        failed > 0 ? `**${failed} of ${made} calls failed**` : `0 of ${made} calls failed`,
        `${lost > 0 ? `**${lost} events lost**` : "0 events lost"}, ${duplicates} twice`,
        ...(undelivered > 0
          ? [`**${undelivered} events waited** for a restart by hand`]
          : [`${before.length} events open at the end of the load`]),
      ].join("; ");
      return { text, lost: lost + failed, reordered: 0 };
    },
  };
}

/** A definition that differs from the earlier ones, and works or does not. */
function edition(component: Component, edit: number, invalid: boolean): Component {
  const { metadata } = component;
  if (component.name === "cache") {
    const redisHost = invalid ? "127.0.0.1:1" : (metadata["redisHost"] ?? "");
    return { ...component, metadata: { ...metadata, redisHost, redisMaxRetries: String(edit) } };
  }
  const host = invalid ? "amqp://guest:guest@127.0.0.1:1" : (metadata["host"] ?? "");
  return { ...component, metadata: { ...metadata, host, prefetchCount: String(10 + edit) } };
}

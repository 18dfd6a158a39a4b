import type { FunctionAppHandlers } from "../../app/function.ts";
import { withClock } from "../../clock.ts";
import { embeddedDeadLetters } from "../../embedded/dead-letters.ts";
import { embeddedOperations } from "../../embedded/operations.ts";
import { untilAborted } from "../../runtime/outputs/caller-signal.ts";
import type { RuntimeLogger } from "../../runtime/runtime-logger.ts";
import { createLogger } from "../../telemetry/logger.ts";
import { Activity } from "./activity.ts";
import {
  inputsOf,
  outputsOf,
  refuseFailed,
  scriptFault,
  untilReady,
  type KitParts,
} from "./kit-parts.ts";
import { kitClock } from "./kit-clock.ts";
import { bytesOf } from "./payload.ts";
import { StandIns } from "./stand-ins.ts";
import { TestClock } from "./test-clock.ts";
import type { Testkit, TestkitOptions } from "./testkit.ts";
import { wire, type RemoteApp, type Wired } from "./wiring.ts";

const closing = 1000;
const patienceHere = 1000;
const patienceFar = 10_000;

/** Starts the runtime with a stand-in for each component's system. Nothing is connected to, and no driver is needed. */
export async function createTestkit(options: TestkitOptions = {}): Promise<Testkit> {
  const { appId = "cufflink", app } = options;
  const isRemote = app !== undefined && typeof app !== "function" && !isFunctions(app);
  const { patience = isRemote ? patienceFar : patienceHere } = options;
  const activity = options.clock === "real" ? undefined : new Activity();
  const storeClock = activity && new SharedArrayBuffer(8);
  const clock =
    activity && storeClock && testClock(activity, storeClock, startOf(options.now), patience);
  const within = <Result>(run: () => Result): Result =>
    clock === undefined ? run() : withClock(clock, run);
  const asPart = <Result>(run: () => Promise<Result>): Promise<Result> =>
    within(() => (activity === undefined ? run() : activity.run(run)));
  const standIns = new StandIns({}, activity);
  const made: { wired?: Wired } = {};
  const parts: KitParts = {
    ...{ appId, standIns, within, asPart },
    isRemote,
    get wired() {
      if (made.wired !== undefined) return made.wired;
      throw new Error("the kit is being made: nothing can be asked of it yet");
    },
  };
  const kit = kitOf(parts, kitClock(clock, within), async (deadline) => {
    clock?.letGo();
    await within(() => parts.wired.close(deadline));
    standIns.close();
  });
  const given = typeof app === "function" ? app(kit) : app;
  const wired = await within(() =>
    wire({
      ...{ appId, standIns, activity, storeClock },
      resources: [options.resources ?? []].flat(),
      texts: (options.components ?? []).map((one) =>
        // JSON is YAML too.
        typeof one === "string" ? one : JSON.stringify(one, undefined, 2),
      ),
      bindings: options.bindings ?? [],
      app: given && (isFunctions(given) ? { functions: given } : given),
      maxConcurrency: options.maxConcurrency,
      logger: options.logger ?? quietLogger(appId),
    }),
  );
  made.wired = wired;
  try {
    for (const fault of options.faults ?? []) kit.fault(fault);
    // So that whoever asks now finds what the app wants.
    await (activity ?? new Activity()).quiet(patience);
    if (options.allowFailed !== true) refuseFailed(wired);
  } catch (error) {
    await kit.close();
    throw error;
  }
  return kit;
}

function kitOf(
  parts: KitParts,
  clock: Testkit["clock"],
  end: (deadline: number) => Promise<void>,
): Testkit {
  const { standIns, asPart } = parts;
  let closed: Promise<void> | undefined;
  const close: Testkit["close"] = ({ deadline = closing } = {}) => (closed ??= end(deadline));
  const operator = () => inTime(parts, embeddedOperations(parts.wired));
  return {
    clock,
    input: (name) => inputsOf(parts, name),
    output: (name) => outputsOf(parts, name),
    states(name) {
      const saved = new Map<string, Uint8Array>();
      for (const { operation, metadata, data } of standIns.of(name).output.calls)
        if (operation === "set") saved.set(metadata["key"] ?? "", data ?? new Uint8Array());
      return saved;
    },
    fault: (text) => scriptFault(parts, text),
    clearFaults: (name) => standIns.faults.clear(name),
    invoke: (name, operation, { metadata = {}, signal, ...payload } = {}) =>
      asPart(async () => {
        const { runtime } = parts.wired;
        const data = bytesOf(payload);
        const invocation = { name, operation, data, encoding: "bytes", metadata } as const;
        if (signal === undefined)
          return runtime.invoke({ ...invocation, signal: new AbortController().signal });
        const what = `${operation} of ${name}`;
        return untilAborted(() => runtime.invoke({ ...invocation, signal }), signal, what);
      }),
    emit: (name, { headers = [], ...payload } = {}) =>
      parts.within(async () => {
        const event = { data: bytesOf(payload), headers, metadata: {} };
        return parts.wired.runtime.emit(name, event, new AbortController().signal);
      }),
    components: () => parts.wired.runtime.components(),
    get deadLetters() {
      return inTime(parts, embeddedDeadLetters(parts.wired.deadLetters));
    },
    get problems() {
      return parts.wired.problems();
    },
    get replacedSecrets() {
      return parts.wired.replacedSecrets;
    },
    get port() {
      return parts.wired.port ?? 0;
    },
    get environment() {
      const { port } = parts.wired;
      if (port === undefined) return { APP_ID: parts.appId };
      return {
        APP_ID: parts.appId,
        DAPR_GRPC_PORT: String(port),
        DAPR_HTTP_PORT: String(port),
      };
    },
    ready: (longest = 10_000) => untilReady(parts, longest),
    reload: () => parts.within(() => parts.wired.reload()),
    pause: (...args) => operator().pause(...args),
    resume: (...args) => operator().resume(...args),
    restart: (...args) => operator().restart(...args),
    drain: (...args) => operator().drain(...args),
    policies: (...args) => operator().policies(...args),
    why: (...args) => operator().why(...args),
    reloads: () => operator().reloads(),
    metrics: () => operator().metrics(),
    close,
    [Symbol.asyncDispose]: () => close(),
  };
}

/** The same, with all that its functions begin by the kit's time. */
function inTime<Parts extends object>({ within }: KitParts, parts: Parts): Parts {
  const shown = Object.entries(parts).map(([name, value]: [string, unknown]) => {
    if (typeof value !== "function") return [name, value];
    return [
      name,
      (...args: unknown[]): unknown => within((): unknown => Reflect.apply(value, parts, args)),
    ];
  });
  return Object.fromEntries(shown) as Parts;
}

function testClock(
  activity: Activity,
  storeClock: SharedArrayBuffer,
  start: number,
  patience: number,
): TestClock {
  const time = new Float64Array(storeClock);
  return new TestClock({ start, patience, activity, onMove: (now) => void (time[0] = now) });
}

function startOf(now: TestkitOptions["now"]): number {
  if (now === undefined) return Date.now();
  const start = new Date(now).getTime();
  if (Number.isFinite(start)) return start;
  throw new Error(`now: ${JSON.stringify(now)} is no time: say "2026-03-01T09:00:00Z", or a Date`);
}

function isFunctions(app: FunctionAppHandlers | RemoteApp): app is FunctionAppHandlers {
  return "bindings" in app || "onBindingEvent" in app;
}

function quietLogger(appId: string): RuntimeLogger {
  const date = !process.stderr.isTTY;
  return createLogger({ level: "fatal", json: false, appId, date, destination: process.stderr });
}

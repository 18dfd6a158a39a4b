import { BindingError, messageOf } from "../../errors.ts";
import type { Reply } from "../app.ts";
import { abortable } from "../../abortable.ts";
import type { Span } from "../tracer.ts";

/** One thing that a reply asks to be done before its event counts as handled. */
export type FanOutStep = { readonly target: string; readonly run: () => Promise<void> };

/** What a reply asks for; no steps: nothing. */
export type FanOut = {
  readonly steps: readonly FanOutStep[];
  readonly concurrency: Reply["concurrency"];
};

export type MakeFanOut = (
  reply: Reply | undefined,
  replyFanOut: boolean,
  sender: FanOutSender,
) => FanOut;

/** Whose reply it is. */
export type FanOutSender = {
  /** The metadata with which data are sent to an output. */
  readonly mark: (target: string, data: Uint8Array | undefined) => Readonly<Record<string, string>>;
  /** The span of the attempt that it belongs to at this moment. */
  readonly span: () => Span | undefined;
};

export type FanOutTargets = {
  /** Invokes the `create` operation of an output component. */
  create(component: string, data: Uint8Array | undefined): Promise<void>;
  /** Saves states in a state store component. */
  save(store: string, states: NonNullable<Reply["states"]>): Promise<void>;
};

const nothing: FanOut = { steps: [], concurrency: undefined };

/**
 * What a reply asks for, as steps that can be tried again one by one with the kept reply. `to` counts
 * for gRPC apps and functions; for HTTP apps, and for `states`, only where the component says
 * `replyFanOut: true`, since daprd ignores both and working apps may answer such JSON by chance.
 */
export function fanOutSteps(
  reply: Reply | undefined,
  replyFanOut: boolean,
  targets: FanOutTargets,
): FanOut {
  if (reply === undefined || (reply.source === "http" && !replyFanOut)) return nothing;
  const wanted = reply.source === "http" ? readJsonReply(reply) : reply;
  const steps: FanOutStep[] = (wanted.to ?? []).map((target) => ({
    target,
    run: () => targets.create(target, wanted.data),
  }));
  const { storeName, states } = wanted;
  if (replyFanOut && states !== undefined && states.length > 0) {
    const target = storeName ?? "";
    steps.unshift({ target, run: () => targets.save(target, states) });
  }
  return { steps, concurrency: wanted.concurrency };
}

type Remaining = { remaining: FanOutStep[]; reason: string };

/**
 * Runs the steps, one after another up to the first failure, or all at once. Resolves to those that
 * are still to be done, with the failures; empty: all is done. Rejects when the signal is aborted
 * first: outputs may take long or hang.
 */
export function runFanOut(fanOut: FanOut, signal: AbortSignal): Promise<Remaining> {
  return abortable(runSteps(fanOut), signal);
}

async function runSteps({ steps, concurrency }: FanOut): Promise<Remaining> {
  const remaining: FanOutStep[] = [];
  const reasons: string[] = [];
  const attempt = async (step: FanOutStep): Promise<void> => {
    try {
      await step.run();
    } catch (error) {
      remaining.push(step);
      reasons.push(`reply to ${step.target || "(no name)"}: ${messageOf(error)}`);
    }
  };
  if (concurrency === "parallel") {
    await Promise.all(steps.map(attempt));
  } else {
    for (const [index, step] of steps.entries()) {
      await attempt(step);
      if (remaining.length > 0) {
        remaining.push(...steps.slice(index + 1));
        break;
      }
    }
  }
  return { remaining, reason: reasons.join("; ") };
}

/** Dapr's documented JSON reply: `{"to": [], "concurrency": "", "data": …, "storeName": "", "state": [{"key", "value"}]}`. */
function readJsonReply(reply: Reply): Reply {
  if (reply.data === undefined || reply.data.length === 0) return reply;
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(reply.data).toString("utf8"));
  } catch {
    return reply;
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) return reply;
  const body = new Map(Object.entries(parsed));
  const to = body.get("to");
  const states = body.get("states") ?? body.get("state");
  const storeName = body.get("storeName") ?? body.get("store_name");
  const data = body.get("data");
  return {
    source: reply.source,
    contentType: reply.contentType,
    to: Array.isArray(to) ? to.map(String) : [],
    concurrency:
      String(body.get("concurrency")).toLowerCase() === "parallel" ? "parallel" : "sequential",
    ...(typeof storeName === "string" ? { storeName } : {}),
    states: Array.isArray(states) ? states.map(readState) : [],
    ...(data === undefined ? {} : { data: encodeJson(data) }),
  };
}

function readState(state: unknown): { key: string; value: Uint8Array } {
  if (
    typeof state !== "object" ||
    state === null ||
    !("key" in state) ||
    typeof state.key !== "string"
  ) {
    throw new BindingError("invalid_argument", "the reply's state has an entry without a key");
  }
  return { key: state.key, value: encodeJson("value" in state ? state.value : null) };
}

function encodeJson(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

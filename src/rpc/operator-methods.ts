import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationMs, type Duration } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  ChangeKind,
  FindingSeverity,
  ReloadOutcome,
  type GetDefinitionResponseSchema,
  type Operations,
} from "../../gen/cufflink/v1/operations_pb.ts";
import { Code, GrpcFailure } from "../grpc/status.ts";
import type { PolicyPart } from "../policy/describe.ts";
import type { Definition } from "../resources/definition.ts";
import type { Operator } from "../runtime/operator.ts";
import type { ReloadResult } from "../runtime/component/reload.ts";
import { findComponent } from "../runtime/find-component.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { describeComponent } from "./component-message.ts";
import { answering, answeringEach } from "./errors.ts";
import { describeExamined, examineEach } from "./examinations.ts";
import { timestampOf } from "./records.ts";

export type OperatorMethodsOptions = {
  readonly runtime: Pick<Runtime, "components">;
  readonly operator: Operator;
  /** Reads the resources again and takes over what has changed. */
  readonly reload: () => Promise<ReloadResult>;
  /** A component as its file says it. Absent: none came from a file. */
  readonly definition?: ((name: string) => Definition | undefined) | undefined;
};

/** How long an app may take when nothing is said, in milliseconds. */
const usualDeadline = 30_000;
const longestDeadline = 24 * 3600 * 1000;
const usualExamination = 10_000;

/** The methods of `cufflink.v1.Operations` that change what runs, or tell what that did. */
export function operatorMethods({ runtime, operator, reload, definition }: OperatorMethodsOptions) {
  const found = (name: string) => ({ component: describeComponent(findComponent(runtime, name)) });
  return {
    pauseComponent: ({ name, reason, by }) =>
      answering(async () => {
        await operator.pause(name, reason, by || undefined);
        return found(name);
      }),
    resumeComponent: ({ name }) =>
      answering(async () => {
        await operator.resume(name);
        return found(name);
      }),
    restartComponent: ({ name }) =>
      answering(async () => {
        await operator.restart(name);
        return found(name);
      }),
    drainComponent: ({ name, deadline }) =>
      answering(async () => {
        const { abandoned } = await operator.drainComponent(name, readDeadline(deadline));
        return { ...found(name), abandoned: BigInt(abandoned) };
      }),
    drainInputs: ({ deadline }) =>
      answering(async () => {
        const { abandoned } = await operator.drainInputs(readDeadline(deadline));
        return { abandoned: BigInt(abandoned) };
      }),
    getDefinition: ({ name }) =>
      answering(() => {
        found(name);
        return describeDefinition(definition?.(name));
      }),
    describePolicies: ({ name }) =>
      answering(() => {
        found(name);
        const { inbound, outbound } = operator.policies(name) ?? {};
        return {
          ...(inbound && { inbound: describePolicy(inbound) }),
          ...(outbound && { outbound: describePolicy(outbound) }),
        };
      }),
    examineComponents({ names, timeout }, { signal }) {
      const milliseconds = timeout === undefined ? usualExamination : durationMs(timeout);
      if (milliseconds <= 0) throw new GrpcFailure(Code.invalidArgument, "timeout is not above 0");
      const wanted = () =>
        names.length === 0
          ? runtime.components().map(({ name }) => name)
          : names.map((name) => findComponent(runtime, name).name);
      const within = Math.min(milliseconds, longestDeadline);
      const examined = examineEach(
        wanted,
        (name) => operator.examine(name, within, signal),
        signal,
      );
      return answeringEach(examined, describeExamined);
    },
    reload: () => answering(async () => ({ result: describeReload(await reload()) })),
    listReloads: () => ({ reloads: operator.reloads.map(describeReload).toReversed() }),
  } satisfies Partial<ServiceImpl<typeof Operations>>;
}

function readDeadline(deadline: Duration | undefined): number {
  const milliseconds = deadline === undefined ? usualDeadline : durationMs(deadline);
  if (milliseconds < 0) throw new GrpcFailure(Code.invalidArgument, "deadline is negative");
  return Math.min(milliseconds, longestDeadline);
}

/** How grave a finding is, as the wire counts it. */
export const severities = {
  error: FindingSeverity.ERROR,
  warning: FindingSeverity.WARNING,
} as const;

function describeDefinition(
  definition: Definition | undefined,
): MessageInitShape<typeof GetDefinitionResponseSchema> {
  if (definition === undefined) return {};
  const { yaml, file, line, findings } = definition;
  return {
    ...{ yaml, file, line },
    findings: findings.map((one) => ({ ...one, severity: severities[one.severity] })),
  };
}

function describePolicy(parts: readonly PolicyPart[]) {
  return { parts: parts.map(({ name, value, source }) => ({ name, value, source })) };
}

/** The outcomes of reloads, as the wire counts them. */
export const reloadOutcomes = {
  applied: ReloadOutcome.APPLIED,
  unchanged: ReloadOutcome.UNCHANGED,
  "partly applied": ReloadOutcome.PARTLY_APPLIED,
  refused: ReloadOutcome.REFUSED,
} as const;

/** What resources ask for, as the wire counts it. */
export const changeKinds = {
  created: ChangeKind.CREATED,
  updated: ChangeKind.UPDATED,
  deleted: ChangeKind.DELETED,
  kept: ChangeKind.KEPT,
} as const;

function describeReload({ revision, at, outcome, components, problems }: ReloadResult) {
  return {
    revision: BigInt(revision),
    at: timestampOf(at),
    outcome: reloadOutcomes[outcome],
    components: components.map(({ name, change, outcome, reason, origin }) => ({
      ...{ name, kind: changeKinds[change], applied: outcome === "applied", reason },
      source: origin,
    })),
    problems: [...problems],
  };
}

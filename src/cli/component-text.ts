import type { ListedComponent } from "../rpc/listed-component.ts";
import { ago, formatTable, paragraph, plain } from "./terminal.ts";

/** All that is told of a component, for people. */
export function componentText(component: ListedComponent): string {
  const { name, type, version, state, reason, since, directions, operations } = component;
  const { source, readiness, rebuilds, output, oldestWaiting } = component;
  const rows = [
    ["type", `${type} ${version}`.trim()],
    ["state", since === "" ? state : `${state}, since ${since} (${ago(Date.parse(since))})`],
    ["direction", directions.join(", ") || "-"],
    ["declared", source === "" ? "in no file" : plain(source)],
    ["readiness", readiness],
    ["rebuilds", String(rebuilds)],
    ...(operations.length === 0 ? [] : [["operations", operations.join(", ")]]),
  ];
  return [
    name,
    ...indented(rows),
    ...(reason === "" ? [] : [paragraph(reason, "    ")]),
    ...(directions.includes("input") ? ["", "events", ...indented(eventRows(component))] : []),
    ...(oldestWaiting ? ["", "oldest that waits", ...indented(waitingRows(oldestWaiting))] : []),
    ...(output ? ["", "invocations", ...indented(callRows(output))] : []),
  ].join("\n");
}

function eventRows(component: ListedComponent): string[][] {
  const { inFlight, waiting, backlog, attempts, handled } = component;
  return [
    ["with the app", String(inFlight)],
    ["waiting", String(waiting)],
    ["at the source", backlog === undefined ? "not known" : String(backlog)],
    ["attempts", String(attempts)],
    ["handled", String(handled)],
    ["dead letters", String(component.deadLettered)],
    ["to an output", String(component.sentToOutput)],
    ["dropped", String(component.dropped)],
    ["returned", String(component.returned)],
    ["duplicates", String(component.duplicates)],
  ];
}

function waitingRows(event: NonNullable<ListedComponent["oldestWaiting"]>): string[][] {
  return [
    ["event", event.id === "" ? "-" : plain(event.id)],
    ["since", event.since],
    ["attempts", String(event.attempts)],
    ["next", event.nextAttempt ?? "no time is set for it"],
    ["failed", plain(event.lastError)],
  ];
}

function callRows(output: NonNullable<ListedComponent["output"]>): string[][] {
  return [
    ["running", String(output.inFlight)],
    ["ended", String(output.invocations)],
    ["failed", String(output.failures)],
  ];
}

function indented(rows: readonly string[][]): string[] {
  return formatTable(rows)
    .split("\n")
    .map((line) => `  ${line}`);
}

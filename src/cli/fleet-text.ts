import type { ListedFleet } from "../rpc/fleet.ts";
import { noComponent } from "../runtime/find-component.ts";
import { ExitCode } from "./exit-code.ts";
import { counted, formatTable, plain, writeJson } from "./terminal.ts";

/** Writes what is known of the replicas, of one component alone if it is named. Throws an {@link ExitCode} where none has it. */
export function showFleet(fleet: ListedFleet, name: string | undefined, json: boolean): void {
  if (fleet.replica === "") {
    const text = "this runtime shares its store with no other replica; see --store nats://HOST";
    process.stderr.write(`${text}\n`);
    if (json) writeJson(fleet);
    return;
  }
  const components = fleet.components.filter((one) => name === undefined || one.name === name);
  if (name !== undefined && components.length === 0) {
    const names = fleet.components.map((one) => one.name);
    process.stderr.write(`cufflink: ${noComponent(name, names).message}\n`);
    throw new ExitCode(1);
  }
  const replicas = fleet.replicas.map((replica) => ({
    ...replica,
    components: replica.components.filter((one) => name === undefined || one.name === name),
  }));
  if (json) return writeJson({ ...fleet, replicas, components });
  const text = [componentTable(components), replicaTable({ ...fleet, replicas })];
  process.stdout.write(`${text.join("\n\n")}\n`);
}

function componentTable(components: ListedFleet["components"]): string {
  const head = ["COMPONENT", "TYPE", "OWNER", "SINCE", "RUNNING", "IN FLIGHT", "BACKLOG"];
  const rows = components.map((one) => [
    ...[one.name, one.type, one.owner ?? "-", one.ownedSince ?? "-"].map(plain),
    ...[`${one.running}/${one.replicas}`, String(one.inFlight), String(one.backlog ?? "-")],
    String(one.deadLetters),
  ]);
  return formatTable([[...head, "DEAD LETTERS"], ...rows]);
}

/** A row for each, and a line below for each of its components that does not run. */
function replicaTable({ replica, replicas }: ListedFleet): string {
  const head = ["REPLICA", "HOST", "VERSION", "STARTED", "COMPONENTS"];
  const rows = replicas.map(({ id, host, version, startedAt, components }) => {
    const asked = id === replica ? `${id} *` : id;
    return [
      ...[asked, host, version, startedAt].map(plain),
      counted(components.length, "component"),
    ];
  });
  const [first = "", ...lines] = formatTable([head, ...rows]).split("\n");
  const others = replicas.map(({ components }) =>
    components
      .filter(({ state }) => state !== "running")
      .map(({ name, state, reason }) => plain(`    ${name}: ${state}${reason && `, ${reason}`}`)),
  );
  const body = lines.flatMap((line, index) => [line, ...(others[index] ?? [])]);
  return [first, ...body, "", "* answered"].join("\n");
}

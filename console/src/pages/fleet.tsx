import type { JSX } from "preact";
import type { DescribeFleetResponse } from "../../../gen/cufflink/v1/operations_pb.ts";
import type { Daemon } from "../daemon.ts";
import { count, plural, span, timeOf } from "../format.ts";
import { Note, Section } from "../ui/parts.tsx";
import { type Column, Table } from "../ui/table.tsx";
import { useLoad } from "../ui/use-load.ts";

type Replica = DescribeFleetResponse["replicas"][number];
type Shared = DescribeFleetResponse["components"][number];

/** How often it is asked anew, in milliseconds. */
const interval = 5_000;

/** The replicas that share a daemon's store, and which of them owns what. Nothing, where it has its store alone. */
export function Fleet({ daemon }: { daemon: Daemon }): JSX.Element | null {
  const now = daemon.live.now.value;
  const { value, problem } = useLoad(
    (signal) => daemon.operations.describeFleet({}, { signal }),
    [daemon.index],
    [Math.floor(now / interval)],
  );
  // A daemon of an earlier version knows no replicas, and says so where it is asked.
  if (problem !== "" && !problem.startsWith("This daemon cannot"))
    return <Note tone="warn">The replicas are not known: {problem}</Note>;
  if (value === undefined || value.replica === "") return null;
  const { replica, replicas, components } = value;
  return (
    <Section title={`${daemon.name}: ${plural(replicas.length, "replica")}`}>
      <Table
        name="replicas"
        caption="Replicas that share the store"
        columns={replicaColumns(replica, now)}
        rows={replicas}
        rowKey={({ id }) => id}
      />
      <Table
        name="fleet-components"
        caption="Components over all replicas"
        columns={componentColumns(now)}
        rows={components}
        rowKey={({ name }) => name}
      />
    </Section>
  );
}

function replicaColumns(answering: string, now: number): Column<Replica>[] {
  return [
    {
      ...{ key: "replica", title: "Replica", header: true },
      cell: ({ id }) => (id === answering ? `${id} (this one)` : id),
    },
    { key: "host", title: "Host", cell: ({ host }) => host },
    { key: "version", title: "Version", cell: ({ version }) => version },
    {
      ...{ key: "up", title: "Up for", figures: true },
      cell: ({ startedAt }) => ago(startedAt, now),
    },
  ];
}

function componentColumns(now: number): Column<Shared>[] {
  return [
    { key: "name", title: "Component", header: true, cell: ({ name }) => name },
    { key: "owner", title: "Read by", cell: ({ owner }) => owner || "–" },
    {
      ...{ key: "since", title: "For", figures: true },
      cell: ({ ownedSince }) => ago(ownedSince, now),
    },
    {
      ...{ key: "running", title: "Running", figures: true },
      cell: ({ running, replicas }) => `${count(running)} of ${count(replicas)}`,
    },
    {
      ...{ key: "inFlight", title: "In flight", figures: true },
      cell: ({ inFlight }) => count(inFlight),
    },
    {
      ...{ key: "backlog", title: "Backlog", figures: true },
      cell: ({ backlog }) => (backlog === undefined ? "–" : count(Number(backlog))),
    },
  ];
}

function ago(time: Replica["startedAt"], now: number): string {
  const since = timeOf(time);
  return since === undefined ? "–" : span(Math.max(0, now - since));
}

import type { JSX } from "preact";
import type { Policy } from "../../../gen/cufflink/v1/operations_pb.ts";
import type { Daemon } from "../daemon.ts";
import { Empty, Loading, Note, Section } from "../ui/parts.tsx";
import { Table } from "../ui/table.tsx";
import { useLoad } from "../ui/use-load.ts";

/** What is done about failures, and who said so. */
export function PolicyPart({ daemon, name }: { daemon: Daemon; name: string }): JSX.Element {
  const { value, problem } = useLoad(
    (signal) => daemon.operations.describePolicies({ name }, { signal }),
    [daemon.index, name],
    [daemon.live.revision.value],
  );
  if (problem !== "") return <Note tone="bad">{problem}</Note>;
  if (value === undefined) return <Loading />;
  const { inbound, outbound } = value;
  if (!inbound && !outbound)
    return <Empty title="No policy applies: no events come in, and nothing can be invoked." />;
  return (
    <>
      {inbound && <Parts title="Events that the app does not handle" policy={inbound} />}
      {outbound && <Parts title="Invocations that fail" policy={outbound} />}
    </>
  );
}

function Parts({ title, policy }: { title: string; policy: Policy }): JSX.Element {
  return (
    <Section title={title}>
      <Table
        name="policy"
        caption={title}
        rows={policy.parts}
        rowKey={({ name }) => name}
        columns={[
          { key: "part", title: "Part", header: true, cell: ({ name }) => name },
          { key: "value", title: "Value", cell: ({ value }) => <strong>{value}</strong> },
          { key: "source", title: "Who said so", cell: ({ source }) => source },
        ]}
      />
    </Section>
  );
}

import type { JSX } from "preact";
import type { Header } from "../../../gen/cufflink/v1/events_pb.ts";
import { valueText, visible } from "../bytes.ts";
import { Table } from "./table.tsx";

/** Headers in their order, repeats kept; a value that is no text in hexadecimal digits. */
export function Headers({ headers }: { headers: readonly Header[] }): JSX.Element {
  if (headers.length === 0) return <p class="quiet">No headers.</p>;
  return (
    <Table
      name="headers"
      caption="Headers"
      rows={headers.map((header, at) => ({ ...header, at }))}
      rowKey={({ at }) => String(at)}
      columns={[
        { key: "name", title: "Name", header: true, cell: ({ name }) => visible(name) },
        {
          key: "value",
          title: "Value",
          cell: ({ value }) => visible(valueText(value)),
        },
      ]}
    />
  );
}

/** Names with texts. */
export function Metadata({
  metadata,
}: {
  metadata: Readonly<Record<string, string>>;
}): JSX.Element {
  const entries = Object.entries(metadata);
  if (entries.length === 0) return <p class="quiet">No metadata.</p>;
  return (
    <Table
      name="headers"
      caption="Metadata"
      rows={entries}
      rowKey={([name]) => name}
      columns={[
        { key: "name", title: "Name", header: true, cell: ([name]) => visible(name) },
        { key: "value", title: "Value", cell: ([, value]) => visible(value) },
      ]}
    />
  );
}

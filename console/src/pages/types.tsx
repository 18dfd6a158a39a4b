import type { JSX } from "preact";
import { useState } from "preact/hooks";
import {
  Direction,
  type Field as FieldDeclaration,
} from "../../../gen/cufflink/v1/binding_types_pb.ts";
import type { Daemon } from "../daemon.ts";
import { plural } from "../format.ts";
import { link } from "../router.ts";
import { Field } from "../ui/fields.tsx";
import { Empty, Facts, Loading, Note, PageHead, Section } from "../ui/parts.tsx";
import { Table } from "../ui/table.tsx";
import { useLoad } from "../ui/use-load.ts";
import { directionsWord } from "../words.ts";

/** The catalogue of types. */
export function TypesPage({ daemon }: { daemon: Daemon }): JSX.Element {
  const [search, setSearch] = useState("");
  const { value, problem } = useLoad(
    (signal) => daemon.operations.listBindingTypes({}, { signal }),
    [daemon.index],
  );
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const types = (value?.bindingTypes ?? []).filter(({ name, aliases, summary, operations }) => {
    const text = [name, ...aliases, summary, ...operations.map((one) => one.name)]
      .join(" ")
      .toLowerCase();
    return words.every((word) => text.includes(word));
  });
  return (
    <>
      <PageHead title="Types" lead={<p>What this daemon can be bound to.</p>} />
      <div class="filters">
        <Field
          label="Search"
          type="search"
          placeholder="Name, summary or operation"
          value={search}
          onInput={setSearch}
        />
        {value && (
          <p class="quiet" role="status">
            {plural(types.length, "type")}
          </p>
        )}
      </div>
      {problem !== "" && <Note tone="bad">{problem}</Note>}
      {value === undefined && problem === "" && <Loading />}
      {value && types.length === 0 && <Empty title="No type matches." />}
      {types.length > 0 && (
        <Table
          name="types"
          caption="Types of bindings"
          rows={types}
          rowKey={({ name }) => name}
          columns={[
            {
              key: "type",
              title: "Type",
              header: true,
              cell: ({ name }) => <a href={link(daemon.index, "types", name)}>{name}</a>,
            },
            { key: "summary", title: "What it is", cell: ({ summary }) => summary },
            {
              key: "directions",
              title: "Ways",
              cell: ({ directions }) => directionsWord(directions),
            },
            { key: "status", title: "Status", cell: ({ status }) => status },
          ]}
        />
      )}
    </>
  );
}

/** One type: its settings and operations. */
export function TypePage({ daemon, name }: { daemon: Daemon; name: string }): JSX.Element {
  const { value, problem } = useLoad(
    (signal) => daemon.operations.describeBindingType({ name }, { signal }),
    [daemon.index, name],
  );
  const type = value?.bindingType;
  return (
    <>
      <PageHead
        title={type?.name ?? name}
        lead={
          <p>
            {type?.summary} · <a href={link(daemon.index, "types")}>all types</a>
          </p>
        }
      />
      {problem !== "" && <Note tone="bad">{problem}</Note>}
      {type === undefined && problem === "" && <Loading />}
      {type && (
        <>
          <Section title="About">
            <Facts
              facts={[
                ["Ways", directionsWord(type.directions)],
                ["Status", type.status],
                ["Version", type.version],
                ["Other names", type.aliases.join(", ") || "none"],
              ]}
            />
          </Section>
          <Section title="Settings of a component">
            <FieldTable name={`Settings of ${type.name}`} fields={type.metadata} />
          </Section>
          {type.operations.map((operation) => (
            <Section key={operation.name} title={`Operation ${operation.name}`}>
              <p>{operation.description}</p>
              <FieldTable name={`Settings of ${operation.name}`} fields={operation.request} />
            </Section>
          ))}
        </>
      )}
    </>
  );
}

function FieldTable({
  name,
  fields,
}: {
  name: string;
  fields: readonly FieldDeclaration[];
}): JSX.Element {
  if (fields.length === 0) return <p class="quiet">No settings.</p>;
  return (
    <Table
      name="fields"
      caption={name}
      rows={fields}
      rowKey={(field) => field.name}
      columns={[
        {
          key: "field",
          title: "Name",
          header: true,
          cell: ({ name, aliases, required, sensitive }) => (
            <>
              <code>{name}</code>
              {required && <span class="tag">required</span>}
              {sensitive && <span class="tag">secret</span>}
              {aliases.length > 0 && <span class="quiet"> also {aliases.join(", ")}</span>}
            </>
          ),
        },
        {
          key: "kind",
          title: "Type",
          cell: ({ type, allowedValues, direction }) => (
            <>
              {allowedValues.length > 0 ? allowedValues.join(", ") : type}
              {direction !== Direction.UNSPECIFIED && (
                <span class="quiet"> ({directionsWord([direction])} only)</span>
              )}
            </>
          ),
        },
        {
          key: "default",
          title: "Default",
          cell: ({ defaultValue }) =>
            defaultValue === undefined ? <span class="none">–</span> : <code>{defaultValue}</code>,
        },
        { key: "description", title: "What it is", cell: ({ description }) => description },
      ]}
    />
  );
}

import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { DeadLetterFilterSchema } from "../../../gen/cufflink/v1/dead_letters_pb.ts";
import type { Daemon } from "../daemon.ts";
import { setQuery } from "../router.ts";
import { Field } from "../ui/fields.tsx";
import { Button } from "../ui/parts.tsx";

type Filter = MessageInitShape<typeof DeadLetterFilterSchema>;

const names = ["component", "reason", "event", "since", "before"] as const;

/** The filter that an address asks for. `undefined`: none. */
export function filterOf(query: URLSearchParams): Filter | undefined {
  const value = (name: (typeof names)[number]): string => query.get(name) ?? "";
  const time = (name: "since" | "before") => {
    const date = new Date(value(name));
    return Number.isNaN(date.getTime()) ? undefined : timestampFromDate(date);
  };
  const [since, before] = [time("since"), time("before")];
  if (names.every((name) => value(name) === "")) return undefined;
  return {
    component: value("component"),
    reason: value("reason"),
    eventId: value("event"),
    ...(since && { since }),
    ...(before && { before }),
  };
}

/** What a filter means, in words that begin a sentence. */
export function wordsOf(filter: Filter | undefined): string {
  if (filter === undefined) return "All dead letters";
  const { component, reason, eventId, since, before } = filter;
  const words = [
    ...(component ? [`of ${component}`] : []),
    ...(reason ? [`whose reason contains “${reason}”`] : []),
    ...(eventId ? [`of the event ${eventId}`] : []),
    ...(since ? ["stored since the time given"] : []),
    ...(before ? ["stored before the time given"] : []),
  ];
  return `Those ${words.join(", ")}`;
}

/** The fields of the filter. It is in the address, so that it can be handed on. */
export function LetterFilter(props: { daemon: Daemon; query: URLSearchParams }): JSX.Element {
  const { daemon, query } = props;
  const [values, setValues] = useState<Readonly<Record<string, string>>>(() =>
    Object.fromEntries(names.map((name) => [name, query.get(name) ?? ""])),
  );
  const components = new Set(daemon.live.components.value.keys());
  if (values["component"]) components.add(values["component"]);
  const set = (name: string) => (value: string) => setValues({ ...values, [name]: value });
  return (
    <form
      class="filters"
      onSubmit={(event) => {
        event.preventDefault();
        setQuery(values);
      }}
    >
      <Field
        label="Component"
        value={values["component"] ?? ""}
        onInput={(component) => setQuery({ ...values, component })}
        options={[["", "Any"], ...[...components].toSorted().map((name) => [name, name] as const)]}
      />
      <Field label="Reason contains" value={values["reason"] ?? ""} onInput={set("reason")} />
      <Field label="Event id" value={values["event"] ?? ""} onInput={set("event")} />
      <Field
        label="Stored since"
        type="datetime-local"
        value={values["since"] ?? ""}
        onInput={set("since")}
      />
      <Field
        label="Stored before"
        type="datetime-local"
        value={values["before"] ?? ""}
        onInput={set("before")}
      />
      <Button type="submit" kind="primary">
        Filter
      </Button>
      <Button onClick={() => setQuery({})}>Clear</Button>
    </form>
  );
}

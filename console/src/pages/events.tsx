import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { EventEnd, type EventRecord } from "../../../gen/cufflink/v1/history_pb.ts";
import type { Daemon } from "../daemon.ts";
import { timeOf } from "../format.ts";
import { link, route, setQuery } from "../router.ts";
import { Field } from "../ui/fields.tsx";
import { Button, Badge, Empty, Loading, Note, PageHead, Time } from "../ui/parts.tsx";
import { Table } from "../ui/table.tsx";
import { useLoad } from "../ui/use-load.ts";
import { endWord } from "../words.ts";
import { WhyPart } from "./why.tsx";

const ends = [
  EventEnd.HANDLED,
  EventEnd.DEAD_LETTER,
  EventEnd.OUTPUT,
  EventEnd.DROPPED,
  EventEnd.RETURNED,
  EventEnd.DUPLICATE,
];

/** The last events, and what became of one. */
export function EventsPage({ daemon }: { daemon: Daemon }): JSX.Element {
  const { query } = route.value;
  const find = query.get("find") ?? "";
  const letter = query.get("letter") ?? "";
  return (
    <>
      <PageHead
        title="Events"
        lead={<p>What became of events, and where those are that have not ended.</p>}
      />
      <Search key={find + letter} find={find === "" ? letter : find} />
      {find !== "" || letter !== "" ? (
        <WhyPart daemon={daemon} find={find} letter={letter} />
      ) : (
        <Recent daemon={daemon} />
      )}
    </>
  );
}

function Search({ find }: { find: string }): JSX.Element {
  const [text, setText] = useState(find);
  return (
    <form
      class="search"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        setQuery({ find: text.trim() });
      }}
    >
      <Field
        label="Event id, trace id or dead letter id"
        type="search"
        value={text}
        onInput={setText}
        placeholder="For instance orders/0/42 or 4bf92f3577b34da6a3ce929d0e0e4736"
      />
      <Button type="submit" kind="primary">
        Explain
      </Button>
      {find !== "" && <Button onClick={() => setQuery({})}>All events</Button>}
    </form>
  );
}

function Recent({ daemon }: { daemon: Daemon }): JSX.Element {
  const { query } = route.value;
  const component = query.get("component") ?? "";
  const end = ends.find((one) => String(one) === query.get("end")) ?? EventEnd.UNSPECIFIED;
  const [tokens, setTokens] = useState<readonly string[]>([""]);
  const token = tokens.at(-1) ?? "";
  const { value, problem, loading, again } = useLoad(
    (signal) =>
      daemon.history.listEvents(
        {
          component,
          ends: end === EventEnd.UNSPECIFIED ? [] : [end],
          pageSize: 100,
          pageToken: token,
        },
        { signal },
      ),
    [daemon.index, component, end, token],
  );
  const names = [...daemon.live.components.value.keys()].toSorted();
  const filter = (values: { component?: string; end?: string }): void => {
    setTokens([""]);
    setQuery({ component, end: end === EventEnd.UNSPECIFIED ? "" : String(end), ...values });
  };
  return (
    <>
      <div class="filters">
        <Field
          label="Component"
          value={component}
          onInput={(value) => filter({ component: value })}
          options={[["", "Any"], ...names.map((name) => [name, name] as const)]}
        />
        <Field
          label="Ended"
          value={String(end)}
          onInput={(value) => filter({ end: value === "0" ? "" : value })}
          options={[
            ["0", "In any way"],
            ...ends.map((one) => [String(one), endWord(one).text] as const),
          ]}
        />
        <Button onClick={again}>Refresh</Button>
      </div>
      {problem !== "" && <Note tone="bad">{problem}</Note>}
      {value === undefined && loading && <Loading />}
      {value?.records.length === 0 && (
        <Empty
          title={
            value.nextPageToken === ""
              ? "No event has ended so."
              : "None on this page; older ones may be there."
          }
        >
          The history keeps the last events in memory, and those with something to tell for days.
        </Empty>
      )}
      {value && value.records.length > 0 && <Records daemon={daemon} records={value.records} />}
      {value && (tokens.length > 1 || value.nextPageToken !== "") && (
        <nav class="pager" aria-label="Pages of events">
          <Button disabled={tokens.length === 1} onClick={() => setTokens(tokens.slice(0, -1))}>
            Newer
          </Button>
          <span>Page {tokens.length}</span>
          <Button
            disabled={value.nextPageToken === ""}
            onClick={() => setTokens([...tokens, value.nextPageToken])}
          >
            Older
          </Button>
        </nav>
      )}
    </>
  );
}

function Records({
  daemon,
  records,
}: {
  daemon: Daemon;
  records: readonly EventRecord[];
}): JSX.Element {
  const keyed = records.map((record, at) => ({ record, at }));
  return (
    <Table
      name="events"
      caption="Events, newest first"
      rows={keyed}
      rowKey={({ at }) => String(at)}
      columns={[
        {
          key: "event",
          title: "Event",
          header: true,
          cell: ({ record }) => {
            const find = record.eventId === "" ? record.traceId : record.eventId;
            return find === "" ? (
              <span class="quiet">without identity</span>
            ) : (
              <a href={link(daemon.index, "events", "", "", { find })}>{find}</a>
            );
          },
        },
        {
          key: "component",
          title: "Component",
          cell: ({ record }) => (
            <a href={link(daemon.index, "components", record.component)}>{record.component}</a>
          ),
        },
        { key: "end", title: "Ended", cell: ({ record }) => <Badge word={endWord(record.end)} /> },
        { key: "at", title: "When", cell: ({ record }) => <Time at={timeOf(record.endedAt)} /> },
        {
          key: "attempts",
          title: "Attempts",
          figures: true,
          cell: ({ record }) => String(record.attempts.length),
        },
        { key: "reason", title: "Reason", cell: ({ record }) => record.reason },
      ]}
    />
  );
}

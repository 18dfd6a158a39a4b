import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import type { DeadLetterRecord } from "../../../gen/cufflink/v1/dead_letters_pb.ts";
import { looseText, visible } from "../bytes.ts";
import type { Daemon } from "../daemon.ts";
import { plural, size, timeOf } from "../format.ts";
import { redriven } from "../redrive.ts";
import { link, route } from "../router.ts";
import { mayChange } from "../session.ts";
import { Button, Empty, Loading, Note, PageHead, Section, Time } from "../ui/parts.tsx";
import { Table } from "../ui/table.tsx";
import { useLoad } from "../ui/use-load.ts";
import { causeWord } from "../words.ts";
import { askDrop, askRedrive, type Meant } from "./letter-actions.tsx";
import { filterOf, LetterFilter, wordsOf } from "./letter-filter.tsx";

const pageSize = 100;

/** The dead letters: which, of what, and what is done with them. */
export function DeadLettersPage({ daemon }: { daemon: Daemon }): JSX.Element {
  const { query } = route.value;
  const search = query.toString();
  return (
    <>
      <PageHead
        title="Dead letters"
        lead={
          <p>
            Events whose attempts are used up, or that the app has rejected. They stay until
            somebody decides.
          </p>
        }
      />
      <Totals daemon={daemon} />
      <LetterFilter key={`filter ${search}`} daemon={daemon} query={query} />
      <Letters key={search} daemon={daemon} query={query} />
    </>
  );
}

function Totals({ daemon }: { daemon: Daemon }): JSX.Element | null {
  const { value } = useLoad(
    (signal) => daemon.deadLetters.listDeadLetterTotals({}, { signal }),
    [daemon.index],
    [daemon.live.deadLetters.value, redriven.value],
  );
  if (value === undefined || value.totals.length === 0) return null;
  return (
    <ul class="totals" aria-label="Dead letters by component">
      {value.totals.map(({ component, count, bytes, oldest }) => (
        <li key={component}>
          <a href={link(daemon.index, "dead-letters", "", "", { component })}>{component}</a>
          <b>{plural(count, "dead letter")}</b>
          <span class="quiet">
            {size(bytes)}, the oldest from <Time at={timeOf(oldest)} />
          </span>
        </li>
      ))}
    </ul>
  );
}

function Letters({ daemon, query }: { daemon: Daemon; query: URLSearchParams }): JSX.Element {
  const [tokens, setTokens] = useState<readonly string[]>([""]);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const filter = filterOf(query);
  const token = tokens.at(-1) ?? "";
  // New ones are fetched as they come, but not while somebody chooses.
  const many = daemon.live.deadLetters.value;
  const known = useRef(many);
  if (chosen.size === 0) known.current = many;
  const { value, problem, loading, again } = useLoad(
    (signal) =>
      daemon.deadLetters.listDeadLetters(
        { ...(filter && { filter }), pageSize, pageToken: token, maxDataSize: 256 },
        { signal },
      ),
    [daemon.index, query.toString(), token],
    [redriven.value, known.current],
  );
  const letters = value?.deadLetters ?? [];
  const turn = (to: readonly string[]): void => {
    setTokens(to);
    setChosen(new Set());
    document.querySelector("#letters")?.scrollIntoView();
  };
  return (
    <Section
      title="Letters"
      tools={
        <>
          {mayChange.value && letters.length > 0 && (
            <Tools
              daemon={daemon}
              chosen={[...chosen].filter((id) => letters.some((one) => one.id === id))}
              all={{ filter, words: wordsOf(filter) }}
              onDone={() => setChosen(new Set())}
            />
          )}
          <Button onClick={again}>Refresh</Button>
        </>
      }
    >
      <div id="letters" />
      {problem !== "" && <Note tone="bad">{problem}</Note>}
      {value === undefined && loading && <Loading />}
      {value && letters.length === 0 && (
        <Empty
          title={filter === undefined ? "There are no dead letters." : "No dead letter matches."}
        >
          {filter === undefined && "Every event was handled, or has somewhere else to go."}
        </Empty>
      )}
      {letters.length > 0 && (
        <List daemon={daemon} letters={letters} chosen={chosen} onChosen={setChosen} />
      )}
      {value && (tokens.length > 1 || value.nextPageToken !== "") && (
        <nav class="pager" aria-label="Pages of dead letters">
          <Button disabled={tokens.length === 1} onClick={() => turn(tokens.slice(0, -1))}>
            Older
          </Button>
          <span>Page {tokens.length}</span>
          <Button
            disabled={value.nextPageToken === ""}
            onClick={() => turn([...tokens, value.nextPageToken])}
          >
            Newer
          </Button>
        </nav>
      )}
    </Section>
  );
}

function Tools(props: {
  daemon: Daemon;
  chosen: readonly string[];
  all: Meant;
  onDone: () => void;
}): JSX.Element {
  const { daemon, chosen, all, onDone } = props;
  const meant: Meant =
    chosen.length === 0 ? all : { filter: { ids: [...chosen] }, words: "The selected ones" };
  const which =
    chosen.length === 0 ? (all.filter ? "all that match" : "all") : `${chosen.length} selected`;
  return (
    <>
      <Button kind="primary" onClick={() => void askRedrive(daemon, meant)}>
        Redrive {which}…
      </Button>
      <Button kind="danger" onClick={() => void askDrop(daemon, meant, onDone)}>
        Drop {which}…
      </Button>
    </>
  );
}

function List(props: {
  daemon: Daemon;
  letters: readonly DeadLetterRecord[];
  chosen: ReadonlySet<string>;
  onChosen: (chosen: ReadonlySet<string>) => void;
}): JSX.Element {
  const { daemon, letters, chosen, onChosen } = props;
  const every = letters.every(({ id }) => chosen.has(id));
  const toggle = (id: string): void => {
    const next = new Set(chosen);
    if (!next.delete(id)) next.add(id);
    onChosen(next);
  };
  return (
    <Table
      name="letters"
      caption="Dead letters, oldest first"
      rows={letters}
      rowKey={({ id }) => id}
      columns={[
        ...(mayChange.value
          ? [
              {
                key: "select",
                title: (
                  <input
                    type="checkbox"
                    aria-label="Select all of this page"
                    checked={every}
                    onChange={() => onChosen(new Set(every ? [] : letters.map(({ id }) => id)))}
                  />
                ),
                cell: ({ id, event }: DeadLetterRecord) => (
                  <input
                    type="checkbox"
                    aria-label={`Select ${event?.id || id}`}
                    checked={chosen.has(id)}
                    onChange={() => toggle(id)}
                  />
                ),
              },
            ]
          : []),
        {
          key: "event",
          title: "Event",
          header: true,
          cell: ({ id, event, edited, redriving }) => (
            <>
              <a href={link(daemon.index, "dead-letters", id)}>{event?.id || id}</a>
              {edited && <span class="tag">edited</span>}
              {redriving && <span class="tag">being redriven</span>}
            </>
          ),
        },
        { key: "component", title: "Component", cell: ({ component }) => component },
        {
          key: "reason",
          title: "Reason",
          cell: ({ reason, cause }) => (
            <>
              <span class="reason" title={reason}>
                {reason}
              </span>
              <span class="quiet">{causeWord(cause)}</span>
            </>
          ),
        },
        {
          key: "attempts",
          title: "Attempts",
          figures: true,
          cell: ({ failedAttempts }) => String(failedAttempts),
        },
        { key: "at", title: "Stored", cell: ({ storedAt }) => <Time at={timeOf(storedAt)} /> },
        { key: "data", title: "Payload", cell: (letter) => <code>{previewOf(letter)}</code> },
      ]}
    />
  );
}

function previewOf({ event, dataSize, dataOmitted }: DeadLetterRecord): string {
  if (dataOmitted) return size(dataSize);
  if (event?.data === undefined) return "null";
  return visible(looseText(event.data.subarray(0, 512)).slice(0, 120));
}

import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { TailedEvent } from "../../../gen/cufflink/v1/history_pb.ts";
import { looseText, visible } from "../bytes.ts";
import { type Daemon, isUnimplemented, problemOf } from "../daemon.ts";
import { clockTime, count, milliseconds, plural, size, span, timeOf } from "../format.ts";
import { link } from "../router.ts";
import { Choice } from "../ui/fields.tsx";
import { Headers, Metadata } from "../ui/headers.tsx";
import { Badge, Button, Empty, Note, Section } from "../ui/parts.tsx";
import { Payload } from "../ui/payload.tsx";
import { endWord } from "../words.ts";

/** So many events stay on the page. */
const kept = 200;

const rates = [
  ["5", "5/s"],
  ["20", "20/s"],
  ["100", "100/s"],
] as const;

type Seen = { readonly id: number; readonly event: TailedEvent };

/** A component's events as they come to their end. Those beyond a rate are counted and left out. */
export function TailPart({ daemon, name }: { daemon: Daemon; name: string }): JSX.Element {
  const [rate, setRate] = useState<(typeof rates)[number][0]>("20");
  const [running, setRunning] = useState(true);
  const [round, setRound] = useState(0);
  const [problem, setProblem] = useState("");
  const [seen, setSeen] = useState<readonly Seen[]>([]);
  const [leftOut, setLeftOut] = useState(0);
  const next = useRef(0);
  useEffect(() => {
    if (!running) return;
    const controller = new AbortController();
    const { signal } = controller;
    // What comes within a frame is drawn at once.
    let waiting: Seen[] = [];
    let frame = 0;
    const draw = (): void => {
      frame = 0;
      const fresh = waiting.toReversed();
      waiting = [];
      setSeen((before) => [...fresh, ...before].slice(0, kept));
    };
    const follow = async (): Promise<void> => {
      const request = { component: name, rate: Number(rate) };
      for await (const response of daemon.history.tailEvents(request, { signal })) {
        setProblem("");
        if (response.leftOut > 0n) setLeftOut((before) => before + Number(response.leftOut));
        if (response.event === undefined) continue;
        // A page that is not seen draws nothing.
        if (waiting.length >= kept) waiting.shift();
        waiting.push({ id: next.current++, event: response.event });
        frame ||= requestAnimationFrame(draw);
      }
      throw new Error("The daemon has ended the stream.");
    };
    let timer: ReturnType<typeof setTimeout> | undefined;
    follow().catch((error: unknown) => {
      if (signal.aborted) return;
      setProblem(problemOf(error));
      if (!isUnimplemented(error)) timer = setTimeout(() => setRound((before) => before + 1), 2000);
    });
    return () => {
      controller.abort();
      clearTimeout(timer);
      cancelAnimationFrame(frame);
    };
  }, [daemon, name, rate, running, round]);
  return (
    <Section
      title="Live events"
      tools={
        <>
          <Choice
            label="At most so many a second"
            value={rate}
            options={rates}
            onChange={setRate}
          />
          <Button onClick={() => setRunning(!running)}>{running ? "Hold" : "Go on"}</Button>
          <Button
            onClick={() => {
              setSeen([]);
              setLeftOut(0);
            }}
          >
            Clear
          </Button>
        </>
      }
    >
      {problem !== "" && <Note tone="warn">{problem}</Note>}
      <p class="quiet">
        Events as they end, newest first. {count(seen.length)} shown,{" "}
        <b>{count(leftOut)} left out</b> because more than {rate} came in a second. Watching delays
        no event.
      </p>
      {seen.length === 0 ? (
        <Empty title={running ? "Waiting for an event to end." : "Held."} />
      ) : (
        <ol class="tail">
          {seen.map(({ id, event }) => (
            <li key={id}>
              <TailLine daemon={daemon} event={event} />
            </li>
          ))}
        </ol>
      )}
    </Section>
  );
}

function TailLine({ daemon, event }: { daemon: Daemon; event: TailedEvent }): JSX.Element {
  const [open, setOpen] = useState(false);
  const { record, data, dataSize, headers, metadata, omitted } = event;
  if (record === undefined) return <span />;
  const ended = timeOf(record.endedAt) ?? 0;
  const took = ended - (timeOf(record.receivedAt) ?? ended);
  const preview = data === undefined ? "null" : visible(looseText(data.subarray(0, 1024)));
  return (
    <details onToggle={(toggled) => setOpen(toggled.currentTarget.open)}>
      <summary>
        <span class="tail-time">{clockTime(ended)}</span>
        <Badge word={endWord(record.end)} />
        <span class="tail-data">{preview.slice(0, 200)}</span>
        <span class="tail-size">
          {size(dataSize)} · {span(took)}
        </span>
      </summary>
      {open && (
        <div class="tail-more">
          <p>
            {record.eventId === "" ? (
              "The source gives it no identity"
            ) : (
              <a href={link(daemon.index, "events", "", "", { find: record.eventId })}>
                Why {record.eventId}
              </a>
            )}
            {" · "}
            {record.attempts.length} attempts, the last took{" "}
            {span(milliseconds(record.attempts.at(-1)?.took))}
            {record.reason !== "" && ` · ${record.reason}`}
          </p>
          <Payload label="Payload" data={data} whole={Number(dataSize)} />
          <Headers headers={headers} />
          <Metadata metadata={metadata} />
          {omitted > 0 && (
            <p class="quiet">{plural(omitted, "further one is", "further ones are")} left out.</p>
          )}
        </div>
      )}
    </details>
  );
}

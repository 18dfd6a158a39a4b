import type { ComponentChildren, JSX } from "preact";
import type {
  Attempt,
  EventRecord,
  FailedRenewal,
  UnfinishedEvent,
} from "../../../gen/cufflink/v1/history_pb.ts";
import type { Daemon } from "../daemon.ts";
import { clockTime, dateTime, milliseconds, plural, span, timeOf } from "../format.ts";
import { link } from "../router.ts";
import { Badge, Empty, Loading, Note } from "../ui/parts.tsx";
import { useLoad } from "../ui/use-load.ts";
import { attemptWord, endWord, placeWord, type Tone } from "../words.ts";

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** All that is known about an event. `find`: its identity, its trace id, or the id of a dead letter; `letter`: this alone. */
export function WhyPart(props: { daemon: Daemon; find: string; letter: string }): JSX.Element {
  const { daemon, find, letter } = props;
  const { value, problem } = useLoad(
    async (signal) => {
      const asked = [
        ...(find === "" ? [] : [{ eventId: find }]),
        // Dead letters have UUIDs, as may events.
        ...(letter !== "" || uuid.test(find)
          ? [{ deadLetterId: letter === "" ? find : letter }]
          : []),
      ];
      const answers = await Promise.all(
        asked.map((request) => daemon.history.explainEvent(request, { signal })),
      );
      return {
        records: answers.flatMap(({ records }) => records),
        unfinished: answers.flatMap(({ unfinished }) => unfinished),
      };
    },
    [daemon.index, find, letter],
  );
  if (problem !== "") return <Note tone="bad">{problem}</Note>;
  if (value === undefined) return <Loading />;
  const { records, unfinished } = value;
  const sought = find === "" ? letter : find;
  if (records.length + unfinished.length === 0)
    return (
      <Empty title={`Nothing is known about ${sought}.`}>
        It may never have come, or be forgotten: the history keeps the last events, and for days
        those with something to tell.
      </Empty>
    );
  return (
    <>
      {records.length + unfinished.length > 1 && (
        <p>
          {plural(unfinished.length, "such event is", "such events are")} with the runtime now,{" "}
          {plural(records.length, "has", "have")} ended.
        </p>
      )}
      {unfinished.map((event, at) => (
        <Unfinished key={at} daemon={daemon} event={event} />
      ))}
      {records.map((record, at) => (
        <Ended key={at} daemon={daemon} record={record} />
      ))}
    </>
  );
}

type Step = {
  readonly at: number;
  readonly tone: Tone;
  readonly title: ComponentChildren;
  readonly text?: string;
};

function Ended({ daemon, record }: { daemon: Daemon; record: EventRecord }): JSX.Element {
  const word = endWord(record.end);
  const end: Step = {
    at: timeOf(record.endedAt) ?? 0,
    tone: word.tone,
    title: (
      <>
        Ended: {word.text}
        {record.deadLetterId !== "" && (
          <>
            {" ("}
            <a href={link(daemon.index, "dead-letters", record.deadLetterId)}>
              {record.deadLetterId}
            </a>
            )
          </>
        )}
      </>
    ),
    text: record.reason,
  };
  return (
    <Story
      daemon={daemon}
      event={record}
      badge={<Badge word={word} />}
      steps={[...stepsOf(record), end]}
    />
  );
}

function Unfinished({ daemon, event }: { daemon: Daemon; event: UnfinishedEvent }): JSX.Element {
  const word = placeWord(event.place);
  const next = timeOf(event.nextAttempt);
  const allowed = event.attemptsAllowed === 0 ? "" : ` of ${event.attemptsAllowed}`;
  const now: Step = {
    at: daemon.live.now.value,
    tone: word.tone,
    title: `Now: ${word.text}, attempt ${event.attempt}${allowed}`,
    text: [event.reason, next === undefined ? "" : `Next attempt at ${clockTime(next)}.`]
      .filter((one) => one !== "")
      .join(" "),
  };
  return (
    <Story
      daemon={daemon}
      event={event}
      badge={<Badge word={word} />}
      steps={[...stepsOf(event), now]}
    />
  );
}

function stepsOf(event: EventRecord | UnfinishedEvent): Step[] {
  const received: Step = {
    at: timeOf(event.receivedAt) ?? 0,
    tone: "info",
    title: `Read from ${event.source === "" ? event.component : event.source}`,
  };
  const steps = [
    ...event.attempts.map(attemptStep),
    ...event.renewals.map((at): Step => ({
      at: timeOf(at) ?? 0,
      tone: "quiet",
      title: "Its lease at the source was renewed",
    })),
    ...event.failedRenewals.map(failedRenewalStep),
  ];
  return [received, ...steps.toSorted((one, other) => one.at - other.at)];
}

function attemptStep({ at, took, outcome, answer }: Attempt, index: number): Step {
  const word = attemptWord(outcome);
  return {
    at: timeOf(at) ?? 0,
    tone: word.tone,
    title: `Attempt ${index + 1}: ${word.text}, after ${span(milliseconds(took))}`,
    text: answer,
  };
}

function failedRenewalStep({ at, reason }: FailedRenewal): Step {
  return {
    at: timeOf(at) ?? 0,
    tone: "warn",
    title: "Its lease at the source could not be renewed",
    text: reason,
  };
}

function Story(props: {
  daemon: Daemon;
  event: EventRecord | UnfinishedEvent;
  badge: JSX.Element;
  steps: readonly Step[];
}): JSX.Element {
  const { daemon, event, badge, steps } = props;
  const first = steps[0]?.at ?? 0;
  return (
    <article class="card story">
      <div class="card-head">
        <h2>{event.eventId === "" ? "An event without identity" : event.eventId}</h2>
        {badge}
      </div>
      <p class="quiet">
        <a href={link(daemon.index, "components", event.component)}>{event.component}</a>
        {" · "}
        {dateTime(first)}
        {event.traceId !== "" && ` · trace ${event.traceId}`}
      </p>
      <ol class="timeline">
        {steps.map((step, at) => (
          <li key={at} class={`tone-${step.tone}`}>
            <p class="step-time">
              <time dateTime={new Date(step.at).toISOString()}>{clockTime(step.at)}</time>
              {at > 0 && <span class="step-after"> +{span(Math.max(step.at - first, 0))}</span>}
            </p>
            <p class="step-title">{step.title}</p>
            {step.text && <p class="step-text">{step.text}</p>}
          </li>
        ))}
      </ol>
    </article>
  );
}

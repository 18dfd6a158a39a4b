import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { DeadLetterRecord } from "../../../gen/cufflink/v1/dead_letters_pb.ts";
import { valueText, visible } from "../bytes.ts";
import type { Daemon } from "../daemon.ts";
import { clockTime, count, milliseconds, span, timeOf } from "../format.ts";
import { redriven } from "../redrive.ts";
import { go, link } from "../router.ts";
import { mayChange } from "../session.ts";
import { Headers, Metadata } from "../ui/headers.tsx";
import { Badge, Button, Facts, Loading, Note, PageHead, Section, Time } from "../ui/parts.tsx";
import { Payload } from "../ui/payload.tsx";
import { useLoad } from "../ui/use-load.ts";
import { attemptWord, causeWord } from "../words.ts";
import { askDrop, askRedrive, type Meant } from "./letter-actions.tsx";
import { LetterEdit } from "./letter-edit.tsx";

/** One dead letter, whole. */
export function DeadLetterPage({ daemon, id }: { daemon: Daemon; id: string }): JSX.Element {
  const [editing, setEditing] = useState(false);
  const { value, problem, again } = useLoad(
    (signal) => daemon.deadLetters.getDeadLetter({ id }, { signal }),
    [daemon.index, id],
    [redriven.value],
  );
  const letter = value?.deadLetter;
  const list = link(daemon.index, "dead-letters");
  const meant: Meant = { filter: { ids: [id] }, words: "This one" };
  const leave = (): void => go(list);
  return (
    <>
      <PageHead
        title={letter?.event?.id || id}
        beside={
          <>
            {letter?.edited && <span class="tag">edited</span>}
            {letter?.redriving && <span class="tag">being redriven</span>}
          </>
        }
        lead={
          <p>
            A dead letter{letter && ` of ${letter.component}`} · <a href={list}>all dead letters</a>
          </p>
        }
        tools={
          mayChange.value &&
          letter &&
          !editing && (
            <>
              <Button kind="primary" onClick={() => void askRedrive(daemon, meant)}>
                Redrive…
              </Button>
              <Button onClick={() => setEditing(true)}>Edit</Button>
              <Button kind="danger" onClick={() => void askDrop(daemon, meant, leave)}>
                Drop…
              </Button>
            </>
          )
        }
      />
      {problem !== "" && (
        <Note tone="warn">
          {problem} It was handled, dropped or removed by the store's retention.
        </Note>
      )}
      {letter === undefined && problem === "" && <Loading />}
      {letter && !editing && <Shown daemon={daemon} letter={letter} />}
      {letter && editing && (
        <LetterEdit
          daemon={daemon}
          letter={letter}
          onEnd={() => {
            setEditing(false);
            again();
          }}
        />
      )}
    </>
  );
}

function Shown({ daemon, letter }: { daemon: Daemon; letter: DeadLetterRecord }): JSX.Element {
  const { event, metadata } = letter;
  const key = event?.key && visible(valueText(event.key));
  return (
    <>
      <Note tone="bad">
        {letter.reason} <span class="quiet">({causeWord(letter.cause)})</span>
      </Note>
      <div class="letter">
        <div>
          <Section title="Payload">
            <Payload label="Payload" data={event?.data} />
          </Section>
          <Section title="Headers">
            <Headers headers={event?.headers ?? []} />
          </Section>
        </div>
        <div>
          <Section title="About">
            <Facts
              facts={[
                [
                  "Component",
                  <a key="link" href={link(daemon.index, "components", letter.component)}>
                    {letter.component}
                  </a>,
                ],
                ["Type", letter.type],
                ["Read", <Time key="read" at={timeOf(letter.receivedAt)} />],
                ["Stored", <Time key="stored" at={timeOf(letter.storedAt)} />],
                ["Failed attempts", count(letter.failedAttempts)],
                ["Redriven in vain", count(letter.redrives)],
                ["Key", key ?? "none"],
                ["Trace", letter.traceId || "none"],
                ["Dead letter", letter.id],
              ]}
            />
            <p>
              <a href={link(daemon.index, "events", "", "", { letter: letter.id })}>
                Its way as a timeline
              </a>
            </p>
          </Section>
          <Section title="Metadata">
            <Metadata metadata={metadata} />
          </Section>
        </div>
      </div>
      <Section title="Attempts">
        <ol class="timeline">
          {letter.attempts.map((attempt, at) => {
            const word = attemptWord(attempt.outcome);
            const time = timeOf(attempt.at) ?? 0;
            return (
              <li key={at} class={`tone-${word.tone}`}>
                <p class="step-time">
                  <time dateTime={new Date(time).toISOString()}>{clockTime(time)}</time>
                </p>
                <p class="step-title">
                  <Badge word={word} /> after {span(milliseconds(attempt.took))}
                </p>
                {attempt.answer !== "" && <p class="step-text">{attempt.answer}</p>}
              </li>
            );
          })}
        </ol>
      </Section>
    </>
  );
}

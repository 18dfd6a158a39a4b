import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { DeadLetterRecord } from "../../../gen/cufflink/v1/dead_letters_pb.ts";
import { bestView, hexOf, lineEndOf, sameBytes, textOf, valueBytes, valueText } from "../bytes.ts";
import type { Daemon } from "../daemon.ts";
import { size } from "../format.ts";
import { bytesOfDraft, DataField, type Draft, problemOfDraft } from "../ui/data-field.tsx";
import { ask } from "../ui/dialog.tsx";
import { Field, Pairs } from "../ui/fields.tsx";
import type { Pair } from "../ui/pair.ts";
import { Button, Note, Section } from "../ui/parts.tsx";

/** Changes a dead letter's event. What nobody has touched stays as it is, byte for byte. */
export function LetterEdit(props: {
  daemon: Daemon;
  letter: DeadLetterRecord;
  onEnd: () => void;
}): JSX.Element {
  const { daemon, letter, onEnd } = props;
  const before = formOf(letter);
  const [form, setForm] = useState(before);
  const changed = changesOf(letter, before, form);
  const wrongValue = problemOfValues(form);
  const problem = problemOfDraft(form.data) || wrongValue;
  const save = (): void => {
    const event = {
      ...(changed.includes("data") && { data: bytesOfDraft(form.data) }),
      headers: headersOf(letter, form.headers),
      ...(changed.includes("key") && form.key !== "" && { key: valueBytes(form.key) }),
    };
    const metadata = Object.fromEntries(form.metadata.map(({ name, value }) => [name, value]));
    ask({
      title: "Change this event?",
      body: (
        <>
          <p>
            The {changed.join(", ")} of this dead letter {changed.length === 1 ? "is" : "are"}{" "}
            replaced.
            {changed.includes("data") &&
              ` The payload was ${size(letter.dataSize)}, and is ${size(event.data?.length ?? 0)}.`}{" "}
            What was there before is not kept. It is marked as edited, and reaches nobody until it
            is redriven.
          </p>
        </>
      ),
      action: "Change it",
      async run() {
        await daemon.deadLetters.editDeadLetter({
          id: letter.id,
          event,
          metadata,
          updateMask: { paths: changed },
        });
        onEnd();
        return "The dead letter is changed.";
      },
    });
  };
  return (
    <Section title="Edit the event">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (problem === "" && changed.length > 0) save();
        }}
      >
        <DataField
          label="Payload"
          lines={14}
          draft={form.data}
          onChange={(data) => setForm({ ...form, data })}
        />
        <Pairs
          label="Headers"
          one="header"
          pairs={form.headers}
          onChange={(headers) => setForm({ ...form, headers })}
        />
        <Pairs
          label="Metadata"
          one="setting"
          pairs={form.metadata}
          onChange={(metadata) => setForm({ ...form, metadata })}
        />
        <Field label="Key" value={form.key} onInput={(key) => setForm({ ...form, key })} />
        <p class="hint">A header or key that begins with 0x and a space is written as bytes.</p>
        {wrongValue !== "" && <Note tone="bad">{wrongValue}</Note>}
        {letter.redriving && (
          <Note tone="warn">It is being redriven, and cannot be changed meanwhile.</Note>
        )}
        <div class="form-end">
          <Button type="submit" kind="primary" disabled={problem !== "" || changed.length === 0}>
            Save…
          </Button>
          <Button onClick={onEnd}>Cancel</Button>
          <span class="quiet">
            {changed.length === 0 ? "Nothing is changed yet." : `Changes: ${changed.join(", ")}.`}
          </span>
        </div>
      </form>
    </Section>
  );
}

type Form = {
  readonly data: Draft;
  readonly headers: readonly Pair[];
  readonly metadata: readonly Pair[];
  readonly key: string;
};

function formOf({ event, metadata }: DeadLetterRecord): Form {
  const data = event?.data ?? new Uint8Array();
  const text = textOf(data);
  // A field of a browser would make the ends of its lines all alike.
  const view = text === undefined || lineEndOf(text) === "mixed" ? "hex" : bestView(data);
  return {
    data: { view, text: view === "hex" || text === undefined ? hexOf(data) : text },
    headers: (event?.headers ?? []).map(({ name, value }) => ({ name, value: valueText(value) })),
    metadata: Object.entries(metadata).map(([name, value]) => ({ name, value })),
    key: event?.key === undefined ? "" : valueText(event.key),
  };
}

/** What differs, by the names of the wire. */
function changesOf(letter: DeadLetterRecord, before: Form, form: Form): string[] {
  const draft = form.data;
  const touched = draft.text !== before.data.text || draft.view !== before.data.view;
  const data =
    touched &&
    problemOfDraft(draft) === "" &&
    !sameBytes(bytesOfDraft(draft), letter.event?.data ?? new Uint8Array());
  const differs = (name: "headers" | "metadata" | "key"): boolean =>
    JSON.stringify(form[name]) !== JSON.stringify(before[name]);
  return [...(data ? ["data"] : []), ...(["headers", "key", "metadata"] as const).filter(differs)];
}

/** The headers as they are written, those that are as they were with their own bytes. */
function headersOf(letter: DeadLetterRecord, pairs: readonly Pair[]) {
  const old = letter.event?.headers ?? [];
  return pairs
    .filter(({ name }) => name !== "")
    .map(({ name, value }) => {
      const same = old.find((one) => one.name === name && valueText(one.value) === value);
      return { name, value: same?.value ?? valueBytes(value) ?? new Uint8Array() };
    });
}

/** What is wrong with values that are written as bytes. Empty: nothing. */
function problemOfValues({ headers, key }: Form): string {
  const wrong = headers.find(({ name, value }) => name !== "" && valueBytes(value) === undefined);
  if (wrong === undefined && valueBytes(key) !== undefined) return "";
  const what = wrong === undefined ? "The key" : `The header ${wrong.name}`;
  return `${what} begins with 0x, and goes on with something else than pairs of hexadecimal digits.`;
}

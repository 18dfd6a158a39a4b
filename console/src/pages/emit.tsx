import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { EmitEventResponse } from "../../../gen/cufflink/v1/operations_pb.ts";
import { bytesOf } from "../bytes.ts";
import { type Daemon, problemOf } from "../daemon.ts";
import { span } from "../format.ts";
import { bytesOfDraft, DataField, type Draft, problemOfDraft } from "../ui/data-field.tsx";
import { Field, Pairs } from "../ui/fields.tsx";
import type { Pair } from "../ui/pair.ts";
import { Badge, Button, Note, Section } from "../ui/parts.tsx";
import { Payload } from "../ui/payload.tsx";

type Result = { readonly took: number } & (
  | { readonly answer: EmitEventResponse["outcome"] }
  | { readonly problem: string }
);

/** Hands the app a test event of the component, once. */
export function EmitPart({ daemon, name }: { daemon: Daemon; name: string }): JSX.Element {
  const [draft, setDraft] = useState<Draft>({ view: "text", text: "" });
  const [headers, setHeaders] = useState<readonly Pair[]>([]);
  const [key, setKey] = useState("");
  const [id, setId] = useState("");
  const [busy, setBusy] = useState(false);
  const [result, setResult] = useState<Result | undefined>(undefined);
  const emit = async (): Promise<void> => {
    if (problemOfDraft(draft) !== "") return;
    setBusy(true);
    setResult(undefined);
    const began = performance.now();
    try {
      const event = {
        data: bytesOfDraft(draft),
        headers: headers
          .filter((one) => one.name !== "")
          .map((one) => ({ name: one.name, value: bytesOf(one.value) })),
        ...(key !== "" && { key: bytesOf(key) }),
        id,
      };
      const { outcome } = await daemon.operations.emitEvent({ component: name, event });
      setResult({ took: performance.now() - began, answer: outcome });
    } catch (error) {
      setResult({ took: performance.now() - began, problem: problemOf(error) });
    }
    setBusy(false);
  };
  return (
    <Section title={`Emit an event of ${name}`}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void emit();
        }}
      >
        <DataField label="Payload" draft={draft} onChange={setDraft} />
        <Pairs label="Headers" one="header" pairs={headers} onChange={setHeaders} />
        <div class="form-grid">
          <Field label="Key" value={key} onInput={setKey} hint="What keeps its order." />
          <Field
            label="Identity"
            value={id}
            onInput={setId}
            hint="The source's own identity of it."
          />
        </div>
        <div class="form-end">
          <Button type="submit" kind="primary" disabled={busy}>
            {busy ? "Working…" : "Emit"}
          </Button>
          <span class="quiet">
            The app gets it once, as if it came from {name}. It is not tried again, and becomes no
            dead letter.
          </span>
        </div>
        <div role="status">{result && <Outcome result={result} />}</div>
      </form>
    </Section>
  );
}

function Outcome({ result }: { result: Result }): JSX.Element {
  const took = <span class="quiet"> after {span(result.took)}</span>;
  if ("problem" in result)
    return (
      <div class="outcome">
        <h3>
          The event did not reach the app
          {took}
        </h3>
        <Note tone="bad">{result.problem}</Note>
      </div>
    );
  const { case: kind, value } = result.answer;
  const handled = kind === "handled";
  return (
    <div class="outcome">
      <h3>
        The app's answer{" "}
        <Badge
          word={handled ? { text: "handled", tone: "good" } : { text: "not handled", tone: "bad" }}
        />
        {took}
      </h3>
      {kind === "handled" && (
        <>
          {value.data !== undefined && <Payload label="Reply" data={value.data} />}
          {value.data === undefined && <p class="quiet">Without a reply.</p>}
          {value.to.length > 0 && <p>The reply went to {value.to.join(", ")}.</p>}
        </>
      )}
      {kind === "notHandled" && (
        <Note tone="bad">
          {value.reason}
          {value.status !== 0 && ` (status ${value.status})`}
        </Note>
      )}
    </div>
  );
}

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type {
  Field as FieldDeclaration,
  Operation,
} from "../../../gen/cufflink/v1/binding_types_pb.ts";
import { type Daemon, problemOf } from "../daemon.ts";
import { span } from "../format.ts";
import { bytesOfDraft, DataField, type Draft, problemOfDraft } from "../ui/data-field.tsx";
import { Field, Pairs } from "../ui/fields.tsx";
import type { Pair } from "../ui/pair.ts";
import { Metadata } from "../ui/headers.tsx";
import { Badge, Button, Loading, Note, Section } from "../ui/parts.tsx";
import { Payload } from "../ui/payload.tsx";
import { useLoad } from "../ui/use-load.ts";
import { declaredProblem, metadataOf } from "./declared-field.ts";

type Result =
  | { readonly kind: "answer"; data: Uint8Array; metadata: Record<string, string>; took: number }
  | { readonly kind: "failed"; problem: string; took: number };

/** Invokes an operation, by a form made from what the type declares. */
export function InvokePart(props: {
  daemon: Daemon;
  name: string;
  type: string;
  operations: readonly string[];
}): JSX.Element {
  const { daemon, name, type, operations } = props;
  const { value, problem } = useLoad(
    (signal) => daemon.operations.describeBindingType({ name: type }, { signal }),
    [daemon.index, type],
  );
  const [chosen, setChosen] = useState(operations[0] ?? "");
  if (value === undefined && problem === "") return <Loading />;
  const declared = value?.bindingType?.operations.find((one) => one.name === chosen);
  return (
    <Section title={`Invoke ${name}`}>
      {problem !== "" && <Note tone="warn">The form has no fields of its own: {problem}</Note>}
      <Field
        label="Operation"
        value={chosen}
        onInput={setChosen}
        hint={declared?.description}
        options={operations.map((one) => [one, one] as const)}
      />
      <Form key={chosen} daemon={daemon} name={name} operation={chosen} declared={declared} />
    </Section>
  );
}

function Form(props: {
  daemon: Daemon;
  name: string;
  operation: string;
  declared: Operation | undefined;
}): JSX.Element {
  const { daemon, name, operation, declared } = props;
  const [draft, setDraft] = useState<Draft>({ view: "text", text: "" });
  const [values, setValues] = useState<Readonly<Record<string, string>>>({});
  const [others, setOthers] = useState<readonly Pair[]>([]);
  const [tried, setTried] = useState(false);
  const [busy, setBusy] = useState(false);
  const [result, setResult] = useState<Result | undefined>(undefined);
  const fields = declared?.request ?? [];
  const problems = new Map(
    fields.map((field) => [field.name, declaredProblem(field, values[field.name] ?? "")]),
  );
  const wrong = problemOfDraft(draft) !== "" || [...problems.values()].some((one) => one !== "");
  const invoke = async (): Promise<void> => {
    setTried(true);
    if (wrong) return;
    setBusy(true);
    setResult(undefined);
    const began = performance.now();
    try {
      const metadata = metadataOf(values, others);
      const data = bytesOfDraft(draft);
      const answer = await daemon.dapr.invokeBinding({ name, operation, data, metadata });
      const took = performance.now() - began;
      setResult({ kind: "answer", data: answer.data, metadata: answer.metadata, took });
    } catch (error) {
      const took = performance.now() - began;
      setResult({ kind: "failed", problem: problemOf(error), took });
    }
    setBusy(false);
  };
  return (
    <form
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        void invoke();
      }}
    >
      {fields.length > 0 && (
        <fieldset>
          <legend>Settings of this call</legend>
          <div class="form-grid">
            {fields.map((field) => (
              <DeclaredField
                key={field.name}
                field={field}
                value={values[field.name] ?? ""}
                problem={tried ? problems.get(field.name) : ""}
                onInput={(value) => setValues({ ...values, [field.name]: value })}
              />
            ))}
          </div>
        </fieldset>
      )}
      <Pairs label="Other metadata" one="setting" pairs={others} onChange={setOthers} />
      <DataField label="Payload" draft={draft} onChange={setDraft} />
      <div class="form-end">
        <Button type="submit" kind="primary" disabled={busy}>
          {busy ? "Working…" : `Invoke ${operation}`}
        </Button>
        <span class="quiet">This is a real call of the bound system, as the app makes it.</span>
      </div>
      <div role="status">
        {tried && wrong && <Note tone="bad">The form has mistakes. Nothing was called.</Note>}
        {result && <Outcome result={result} />}
      </div>
    </form>
  );
}

function Outcome({ result }: { result: Result }): JSX.Element {
  return (
    <div class="outcome">
      <h3>
        Answer{" "}
        <Badge
          word={
            result.kind === "answer"
              ? { text: "succeeded", tone: "good" }
              : { text: "failed", tone: "bad" }
          }
        />
        <span class="quiet"> after {span(result.took)}</span>
      </h3>
      {result.kind === "failed" ? (
        <Note tone="bad">{result.problem}</Note>
      ) : (
        <>
          <Payload label="Answer" data={result.data} />
          <Metadata metadata={result.metadata} />
        </>
      )}
    </div>
  );
}

function DeclaredField(props: {
  field: FieldDeclaration;
  value: string;
  problem: string | undefined;
  onInput: (value: string) => void;
}): JSX.Element {
  const { field, value, problem, onInput } = props;
  const { name, type, description, required, sensitive, allowedValues, defaultValue, example } =
    field;
  const choices = type === "bool" ? ["true", "false"] : allowedValues;
  const unset = defaultValue === undefined ? "not set" : `not set (${defaultValue})`;
  return (
    <Field
      label={name}
      value={value}
      required={required}
      problem={problem}
      onInput={onInput}
      type={sensitive ? "password" : "text"}
      placeholder={defaultValue ?? example}
      hint={
        <>
          {description} <span class="field-type">{type}</span>
        </>
      }
      options={
        choices.length > 0
          ? [["", unset] as const, ...choices.map((one) => [one, one] as const)]
          : undefined
      }
    />
  );
}

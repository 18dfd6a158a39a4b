import type { ComponentChildren, InputHTMLAttributes, JSX } from "preact";
import { useId } from "preact/hooks";
import type { Pair } from "./pair.ts";

type FieldProps = {
  label: string;
  value: string;
  onInput: (value: string) => void;
  hint?: ComponentChildren;
  required?: boolean | undefined;
  /** What is wrong with it. Empty: nothing. */
  problem?: string | undefined;
  placeholder?: string | undefined;
  type?: "text" | "password" | "search" | "datetime-local" | undefined;
  /** Offers these and nothing else. */
  options?: readonly (readonly [value: string, label: string])[] | undefined;
  /** Lines. Absent: one. */
  lines?: number | undefined;
};

/** A field with its label, hint and problem. */
export function Field(props: FieldProps): JSX.Element {
  const { label, value, onInput, hint, required, problem, placeholder, options, lines } = props;
  const id = useId();
  const described = [
    ...(hint === undefined ? [] : [`${id}-hint`]),
    ...(problem ? [`${id}-problem`] : []),
  ].join(" ");
  const common = {
    id,
    value,
    required,
    "aria-invalid": problem ? ("true" as const) : undefined,
    "aria-describedby": described === "" ? undefined : described,
  };
  return (
    <div class="field">
      <label for={id}>
        {label}
        {required && <span class="required"> (required)</span>}
      </label>
      {options ? (
        <select {...common} onChange={(event) => onInput(event.currentTarget.value)}>
          {options.map(([option, text]) => (
            <option key={option} value={option} selected={option === value}>
              {text}
            </option>
          ))}
        </select>
      ) : lines === undefined ? (
        <input
          {...common}
          {...inputType(props.type)}
          placeholder={placeholder}
          autocomplete="off"
          spellcheck={false}
          onInput={(event) => onInput(event.currentTarget.value)}
        />
      ) : (
        <textarea
          {...common}
          rows={lines}
          placeholder={placeholder}
          spellcheck={false}
          onInput={(event) => onInput(event.currentTarget.value)}
        />
      )}
      {hint !== undefined && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      {problem && (
        <p class="field-problem" id={`${id}-problem`}>
          {problem}
        </p>
      )}
    </div>
  );
}

// Preact's types know what roles an input of each type may have, and so want each alone.
function inputType(type: FieldProps["type"]): InputHTMLAttributes {
  return { type: type ?? "text" } as InputHTMLAttributes;
}

/** One of a few, side by side. */
export function Choice<T extends string>(props: {
  label: string;
  value: T;
  options: readonly (readonly [value: T, label: string])[];
  onChange: (value: T) => void;
}): JSX.Element {
  const name = useId();
  return (
    <fieldset class="choice">
      <legend class="hidden">{props.label}</legend>
      {props.options.map(([value, label]) => (
        <label key={value}>
          <input
            type="radio"
            name={name}
            value={value}
            checked={value === props.value}
            onChange={() => props.onChange(value)}
          />
          <span>{label}</span>
        </label>
      ))}
    </fieldset>
  );
}

/** Any number of names with values. */
export function Pairs(props: {
  label: string;
  /** What one is, for instance "header". */
  one: string;
  pairs: readonly Pair[];
  onChange: (pairs: readonly Pair[]) => void;
}): JSX.Element {
  const { label, one, pairs, onChange } = props;
  const change = (at: number, part: Partial<Pair>): void =>
    onChange(pairs.map((pair, index) => (index === at ? { ...pair, ...part } : pair)));
  return (
    <fieldset class="pairs">
      <legend>{label}</legend>
      {pairs.map((pair, at) => (
        <div class="pair" key={at}>
          <input
            type="text"
            aria-label={`Name of ${one} ${at + 1}`}
            placeholder="name"
            value={pair.name}
            autocomplete="off"
            spellcheck={false}
            onInput={(event) => change(at, { name: event.currentTarget.value })}
          />
          <input
            type="text"
            aria-label={`Value of ${one} ${at + 1}`}
            placeholder="value"
            value={pair.value}
            autocomplete="off"
            spellcheck={false}
            onInput={(event) => change(at, { value: event.currentTarget.value })}
          />
          <button
            type="button"
            class="button small"
            aria-label={`Remove ${one} ${at + 1}`}
            onClick={() => onChange(pairs.filter((_, index) => index !== at))}
          >
            ×
          </button>
        </div>
      ))}
      <button
        type="button"
        class="button small"
        onClick={() => onChange([...pairs, { name: "", value: "" }])}
      >
        Add a {one}
      </button>
    </fieldset>
  );
}

import type { ComponentChildren, JSX } from "preact";
import { useId } from "preact/hooks";
import { dateTime, span } from "../format.ts";
import type { Tone, Word } from "../words.ts";

/** A state in a word, with a mark that does not depend on colour alone. */
export function Badge({ word }: { word: Word }): JSX.Element {
  return (
    <span class={`badge tone-${word.tone}`}>
      <span class="mark" aria-hidden="true">
        {marks[word.tone]}
      </span>
      {word.text}
    </span>
  );
}

const marks: Record<Tone, string> = { good: "●", warn: "▲", bad: "■", quiet: "○", info: "◆" };

type ButtonProps = {
  onClick?: (() => void) | undefined;
  kind?: "primary" | "danger" | "plain" | undefined;
  type?: "button" | "submit" | undefined;
  disabled?: boolean | undefined;
  /** What a screen reader says, where the text alone is not enough. */
  label?: string | undefined;
  children: ComponentChildren;
};

export function Button({
  onClick,
  kind,
  type,
  disabled,
  label,
  children,
}: ButtonProps): JSX.Element {
  return (
    <button
      type={type ?? "button"}
      class={`button ${kind ?? ""}`}
      disabled={disabled}
      aria-label={label}
      onClick={onClick}
    >
      {children}
    </button>
  );
}

/** A time, exact in its title. `now`: tells how long ago instead. */
export function Time({ at, now }: { at: number | undefined; now?: number }): JSX.Element {
  if (at === undefined) return <span>–</span>;
  const exact = dateTime(at, true);
  const shown = now === undefined ? dateTime(at) : `${span(Math.max(now - at, 0))} ago`;
  return (
    <time dateTime={new Date(at).toISOString()} title={exact}>
      {shown}
    </time>
  );
}

/** A message in the page. */
export function Note({ tone, children }: { tone: Tone; children: ComponentChildren }): JSX.Element {
  return (
    <div class={`note tone-${tone}`}>
      <span class="mark" aria-hidden="true">
        {marks[tone]}
      </span>
      <div>{children}</div>
    </div>
  );
}

/** What a list shows when there is nothing in it. */
export function Empty({
  title,
  children,
}: {
  title: string;
  children?: ComponentChildren;
}): JSX.Element {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {children !== undefined && <p>{children}</p>}
    </div>
  );
}

/** A part of a page with its heading. */
export function Section(props: {
  title: string;
  tools?: ComponentChildren;
  children: ComponentChildren;
}): JSX.Element {
  const id = useId();
  return (
    <section class="card" aria-labelledby={id}>
      <div class="card-head">
        <h2 id={id}>{props.title}</h2>
        {props.tools !== undefined && <div class="tools">{props.tools}</div>}
      </div>
      {props.children}
    </section>
  );
}

/** Names and their values. */
export function Facts({
  facts,
}: {
  facts: readonly (readonly [string, ComponentChildren])[];
}): JSX.Element {
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** The heading of a page; it gets the focus when the page is opened. */
export function PageHead(props: {
  title: string;
  /** Beside the title. */
  beside?: ComponentChildren;
  /** Below it. */
  lead?: ComponentChildren;
  tools?: ComponentChildren;
}): JSX.Element {
  return (
    <header class="page-head">
      <div class="page-title">
        <h1 tabIndex={-1}>{props.title}</h1>
        {props.beside}
      </div>
      {props.tools !== undefined && <div class="tools">{props.tools}</div>}
      {props.lead !== undefined && <div class="lead">{props.lead}</div>}
    </header>
  );
}

/** Shown while something is fetched. */
export function Loading(): JSX.Element {
  return (
    <p class="loading" role="status">
      Loading…
    </p>
  );
}

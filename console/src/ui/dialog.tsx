import { signal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { problemOf } from "../daemon.ts";
import { Button, Note } from "./parts.tsx";
import { announce } from "./announce.tsx";

/** A question before something is done. */
export type Question = {
  readonly title: string;
  /** What will happen, said before. */
  readonly body: ComponentChildren;
  /** What the button says: what is done. */
  readonly action: string;
  readonly danger?: boolean;
  /** Does it. Resolves to what is said then. What it throws is shown, and the question stays. */
  readonly run: () => Promise<string>;
};

const question = signal<Question | undefined>(undefined);

/** Asks before something is done. */
export function ask(asked: Question): void {
  question.value = asked;
}

/** Where questions appear. The browser keeps the focus inside, closes on Esc and gives the focus back. */
export function Questions(): JSX.Element | null {
  const asked = question.value;
  return asked === undefined ? null : <Dialog key={asked.title} asked={asked} />;
}

function Dialog({ asked }: { asked: Question }): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState("");
  const id = useId();
  useEffect(() => {
    const opener = document.activeElement;
    const element = dialog.current;
    element?.showModal();
    return () => {
      // While it is open nothing behind it takes the focus.
      element?.close();
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
      else document.querySelector("h1")?.focus();
    };
  }, []);
  const close = (): void => {
    if (!busy) question.value = undefined;
  };
  const run = async (): Promise<void> => {
    setBusy(true);
    setProblem("");
    try {
      const said = await asked.run();
      question.value = undefined;
      announce(said);
    } catch (error) {
      setBusy(false);
      setProblem(problemOf(error));
    }
  };
  return (
    <dialog
      ref={dialog}
      aria-labelledby={`${id}-title`}
      aria-describedby={`${id}-body`}
      onCancel={(event) => {
        event.preventDefault();
        close();
      }}
    >
      <form
        method="dialog"
        onSubmit={(event) => {
          event.preventDefault();
          void run();
        }}
      >
        <h2 id={`${id}-title`}>{asked.title}</h2>
        <div id={`${id}-body`} class="dialog-body">
          {asked.body}
        </div>
        <div role="alert">{problem !== "" && <Note tone="bad">{problem}</Note>}</div>
        <div class="dialog-tools">
          <Button onClick={close} disabled={busy}>
            Cancel
          </Button>
          <Button type="submit" kind={asked.danger ? "danger" : "primary"} disabled={busy}>
            {busy ? "Working…" : asked.action}
          </Button>
        </div>
      </form>
    </dialog>
  );
}

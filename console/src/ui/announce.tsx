import { signal } from "@preact/signals";
import type { JSX } from "preact";

type Said = { readonly text: string; readonly id: number };

const said = signal<Said | undefined>(undefined);
let next = 0;

/** Says what has happened, once: on the screen for some seconds, and to a screen reader when it has time. */
export function announce(text: string): void {
  const id = next++;
  said.value = { text, id };
  setTimeout(() => {
    if (said.peek()?.id === id) said.value = undefined;
  }, 8000);
}

/** Where it is said. */
export function Announcements(): JSX.Element {
  return (
    <div class="announcements" role="status">
      {said.value && (
        <p class="announcement" key={said.value.id}>
          {said.value.text}
        </p>
      )}
    </div>
  );
}

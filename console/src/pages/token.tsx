import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { open } from "../session.ts";
import { Field } from "../ui/fields.tsx";
import { Button, Note } from "../ui/parts.tsx";

/** Asks for the token. */
export function TokenPage({ problem }: { problem: string }): JSX.Element {
  const [token, setToken] = useState("");
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    document.title = "Log in · Cufflink";
    document.querySelector("input")?.focus();
  }, []);
  return (
    <main class="gate">
      <h1>Cufflink's console</h1>
      <p>
        Cufflink prints a link with a token when the console starts. Open that link, or enter the
        token. It stays in this page's memory, and is gone when the page is closed or loaded again.
      </p>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          setBusy(true);
          void open(token.trim()).finally(() => setBusy(false));
        }}
      >
        <Field label="Token" type="password" value={token} onInput={setToken} required />
        <div role="alert">{problem !== "" && <Note tone="bad">{problem}</Note>}</div>
        <Button type="submit" kind="primary" disabled={busy}>
          Open
        </Button>
      </form>
    </main>
  );
}

/** Says that the console's server cannot be reached. */
export function UnreachablePage({ problem }: { problem: string }): JSX.Element {
  return (
    <main class="gate">
      <h1>Cufflink's console</h1>
      <Note tone="bad">{problem}</Note>
      <p>
        <Button onClick={() => location.reload()}>Load again</Button>
      </p>
    </main>
  );
}

import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { clockTime } from "../format.ts";
import { daemons } from "../session.ts";
import { announce } from "./announce.tsx";
import { Button } from "./parts.tsx";

/** Says which daemons cannot be heard, and that what is shown of them is old. */
export function ConnectionBar(): JSX.Element {
  const lost = daemons.value.flatMap(({ live, name }) => {
    const connection = live.connection.value;
    return connection.kind === "lost" ? [{ live, name, connection }] : [];
  });
  const several = daemons.value.length > 1;
  const before = useRef(new Set<string>());
  const names = lost.map(({ name }) => name);
  useEffect(() => {
    for (const name of before.current)
      if (!names.includes(name)) announce(`Connected to ${name} again.`);
    before.current = new Set(names);
  }, [names.join("\n")]);
  return (
    <div role="alert" class="connections">
      {lost.map(({ live, name, connection }) => (
        <div class="connection-lost" key={name}>
          <p>
            <strong>Connection lost{several && ` to ${name}`}.</strong> What is shown is from before{" "}
            {clockTime(connection.since).slice(0, 8)}; trying again.
          </p>
          <Button onClick={() => live.retry()}>Try now</Button>
        </div>
      ))}
    </div>
  );
}

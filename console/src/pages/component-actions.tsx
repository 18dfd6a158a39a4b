import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ComponentState } from "../../../gen/cufflink/v1/operations_pb.ts";
import type { Daemon } from "../daemon.ts";
import { plural } from "../format.ts";
import type { LiveComponent } from "../live.ts";
import { ask } from "../ui/dialog.tsx";
import { Field } from "../ui/fields.tsx";
import { Button } from "../ui/parts.tsx";

/** Pause, resume, restart and drain, each with what will happen. */
export function ComponentActions({
  daemon,
  live,
}: {
  daemon: Daemon;
  live: LiveComponent;
}): JSX.Element {
  const { operations } = daemon;
  const { component } = live;
  const { name, input } = component;
  useEffect(() => {
    // A button that is not there any more had the focus.
    if (document.activeElement === document.body) document.querySelector("h1")?.focus();
  }, [component.state]);
  const withApp = input?.inFlight ?? 0;
  const finish =
    withApp > 0
      ? `The app may finish the ${plural(withApp, "event")} that it has; what else was read is the source's again.`
      : "The app has none of its events now; what else was read is the source's again.";
  const pause = (): void => {
    let reason = "";
    ask({
      title: `Pause ${name}?`,
      body: (
        <>
          <p>
            No more events of {name} reach the app until it is resumed, also after reloads and
            restarts. {finish} It can still be invoked.
          </p>
          <ReasonField onReason={(value) => (reason = value)} />
        </>
      ),
      action: `Pause ${name}`,
      async run() {
        await operations.pauseComponent({ name, reason: reason.trim(), by: "the console" });
        return `${name} is paused.`;
      },
    });
  };
  const resume = (): void =>
    ask({
      title: `Resume ${name}?`,
      body: (
        <p>
          {name} reads events again from where its source is
          {input?.backlog === undefined ? "" : `: ${plural(input.backlog, "event")} wait there`}.
        </p>
      ),
      action: `Resume ${name}`,
      async run() {
        await operations.resumeComponent({ name });
        return `${name} is resumed.`;
      },
    });
  const restart = (): void =>
    ask({
      title: `Restart ${name}?`,
      body: (
        <p>
          The connection of {name} is closed and opened anew. {input ? finish : ""} Invocations
          meanwhile wait or fail.
        </p>
      ),
      action: `Restart ${name}`,
      async run() {
        await operations.restartComponent({ name });
        return `${name} is restarted.`;
      },
    });
  const drain = (): void =>
    ask({
      title: `Drain ${name}?`,
      body: (
        <p>
          {name} is paused for as long as this process lives, or until it is resumed. It waits up to
          30 seconds for the app to finish{" "}
          {withApp > 0
            ? `the ${plural(withApp, "event")} that it has`
            : "what it has, which is nothing now"}
          ; what is not finished then is the source's again. It can still be invoked.
        </p>
      ),
      action: `Drain ${name}`,
      async run() {
        const { abandoned } = await operations.drainComponent({ name });
        return abandoned === 0n
          ? `${name} is drained: the app has finished all of its events.`
          : `${name} is drained: ${plural(abandoned, "event")} did not finish in time.`;
      },
    });
  return (
    <>
      {input &&
        (component.state === ComponentState.PAUSED ? (
          <Button kind="primary" onClick={resume}>
            Resume
          </Button>
        ) : (
          <>
            <Button onClick={pause}>Pause</Button>
            <Button onClick={drain}>Drain</Button>
          </>
        ))}
      <Button onClick={restart}>Restart</Button>
    </>
  );
}

function ReasonField({ onReason }: { onReason: (reason: string) => void }): JSX.Element {
  const [reason, setReason] = useState("");
  return (
    <Field
      label="Why"
      value={reason}
      onInput={(value) => {
        setReason(value);
        onReason(value);
      }}
      hint="Others see it beside the state."
      placeholder="For instance: stocktaking until noon"
    />
  );
}

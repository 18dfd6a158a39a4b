import type { MessageInitShape } from "@bufbuild/protobuf";
import type { JSX, VNode } from "preact";
import { useState } from "preact/hooks";
import type { DeadLetterFilterSchema } from "../../../gen/cufflink/v1/dead_letters_pb.ts";
import { type Daemon, problemOf } from "../daemon.ts";
import { plural } from "../format.ts";
import { redrive, redriven, redrives } from "../redrive.ts";
import { announce } from "../ui/announce.tsx";
import { ask } from "../ui/dialog.tsx";
import { Field } from "../ui/fields.tsx";

type Filter = MessageInitShape<typeof DeadLetterFilterSchema>;

/** Which dead letters are meant; and in words. */
export type Meant = {
  readonly filter: Filter | undefined;
  readonly words: string;
};

/** Asks before dead letters are redriven: how many, where to, how fast. */
export async function askRedrive(daemon: Daemon, meant: Meant): Promise<void> {
  if (redrives.peek().some(({ step }) => step === "running")) {
    announce("A redrive goes on. Stop it, or wait for its end, before you begin another.");
    return;
  }
  const counted = await matching(daemon, meant);
  if (counted === undefined) return;
  let chosen = { rate: "", to: "", operation: "" };
  ask({
    title: `Redrive ${counted.many}?`,
    body: (
      <RedriveBody
        meant={meant}
        counted={counted}
        outputs={outputsOf(daemon)}
        onChange={(value) => (chosen = value)}
      />
    ),
    action: `Redrive ${counted.many}`,
    async run() {
      const rate = chosen.rate.trim() === "" ? 0 : Number(chosen.rate);
      if (!Number.isFinite(rate) || rate < 0) throw new Error("The rate is a number, 0 or more.");
      const target = { component: chosen.to, operation: chosen.operation.trim() };
      const to = chosen.to === "" ? {} : { to: target };
      redrive(daemon, { ...selection(meant), rate, ...to }, Number(counted.dropped));
      return `Redriving ${counted.many}.`;
    },
  });
}

/** Asks before dead letters are removed for good. `onDropped` is called when they are. */
export async function askDrop(daemon: Daemon, meant: Meant, onDropped: () => void): Promise<void> {
  const counted = await matching(daemon, meant);
  if (counted === undefined) return;
  ask({
    title: `Drop ${counted.many}?`,
    body: (
      <p>
        {meant.words}: {counted.many} {counted.dropped === 1n ? "is" : "are"} removed for good, with
        payload and history of attempts. Nobody gets{" "}
        {counted.dropped === 1n ? "this event" : "these events"} again.
        <Skipped skipped={counted.skipped} />
      </p>
    ),
    action: `Drop ${counted.many}`,
    danger: true,
    async run() {
      const { dropped, skipped } = await daemon.deadLetters.dropDeadLetters(selection(meant));
      redriven.value++;
      onDropped();
      const left =
        skipped === 0n ? "" : ` ${plural(skipped, "dead letter")} being redriven left alone.`;
      return `Dropped ${plural(dropped, "dead letter")}.${left}`;
    },
  });
}

type Counted = { readonly dropped: bigint; readonly skipped: bigint; readonly many: string };

/** How many are meant, counted by the daemon, which changes nothing. */
async function matching(daemon: Daemon, meant: Meant): Promise<Counted | undefined> {
  try {
    const request = { ...selection(meant), validateOnly: true };
    const { dropped, skipped } = await daemon.deadLetters.dropDeadLetters(request);
    if (dropped > 0n) return { dropped, skipped, many: plural(dropped, "dead letter") };
    announce(
      skipped > 0n ? "All that match are being redriven." : "No dead letter matches any more.",
    );
  } catch (error) {
    announce(problemOf(error));
  }
  return undefined;
}

function selection({ filter }: Meant): { all: true } | { filter: Filter } {
  return filter === undefined ? { all: true } : { filter };
}

function outputsOf(daemon: Daemon): string[] {
  const all = [...daemon.live.components.peek().values()];
  return all
    .filter(({ component }) => component.operations.length > 0)
    .map(({ component }) => component.name)
    .toSorted();
}

function Skipped({ skipped }: { skipped: bigint }): VNode | null {
  if (skipped === 0n) return null;
  return (
    <>
      {" "}
      {plural(skipped, "further one is", "further ones are")} being redriven now, and left alone.
    </>
  );
}

function RedriveBody(props: {
  meant: Meant;
  counted: Counted;
  outputs: readonly string[];
  onChange: (chosen: { rate: string; to: string; operation: string }) => void;
}): JSX.Element {
  const { meant, counted, outputs, onChange } = props;
  const [chosen, setChosen] = useState({ rate: "", to: "", operation: "" });
  const change = (part: Partial<typeof chosen>): void => {
    const value = { ...chosen, ...part };
    setChosen(value);
    onChange(value);
  };
  const one = counted.dropped === 1n;
  return (
    <>
      <p>
        {meant.words}: {counted.many} {one ? "is" : "are, oldest first,"} given{" "}
        {chosen.to === ""
          ? "to the handler of the component again, by that component's policy"
          : `to the output ${chosen.to}`}
        . What is handled is removed; what is not stays a dead letter, with the new reason.
        <Skipped skipped={counted.skipped} />
      </p>
      <div class="form-grid">
        <Field
          label="To"
          value={chosen.to}
          onInput={(to) => change({ to })}
          options={[
            ["", "Its handler in the app"],
            ...outputs.map((name) => [name, `Output ${name}`] as const),
          ]}
        />
        {chosen.to !== "" && (
          <Field
            label="Operation"
            value={chosen.operation}
            placeholder="create"
            onInput={(operation) => change({ operation })}
          />
        )}
        {!one && (
          <Field
            label="At most so many a second"
            value={chosen.rate}
            placeholder="As fast as they are handled"
            onInput={(rate) => change({ rate })}
          />
        )}
      </div>
    </>
  );
}

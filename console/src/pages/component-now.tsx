import type { ComponentChildren, JSX } from "preact";
import type { Daemon } from "../daemon.ts";
import { figuresOf, seriesOf } from "../figures.ts";
import { count, milliseconds, rate, span, timeOf } from "../format.ts";
import type { LiveComponent } from "../live.ts";
import { link } from "../router.ts";
import { Chart } from "../ui/chart.tsx";
import { Facts, Section, Time } from "../ui/parts.tsx";
import { readinessWord } from "../words.ts";

/** What a component does now, and did in the last ten minutes. */
export function ComponentNow({
  daemon,
  live,
}: {
  daemon: Daemon;
  live: LiveComponent;
}): JSX.Element {
  const now = daemon.live.now.value;
  const { component, deadLetters } = live;
  const { input, output } = component;
  const figures = figuresOf(live, now);
  const tiles: [string, ComponentChildren][] = [
    ["In flight", count(figures.inFlight)],
    ["Backlog", figures.backlog === undefined ? "–" : count(figures.backlog)],
    ["Rate", rate(figures.rate)],
    ["Latency", figures.latency === undefined ? "–" : span(figures.latency)],
    [
      "Dead letters",
      deadLetters === 0 ? (
        "0"
      ) : (
        <a href={link(daemon.index, "dead-letters", "", "", { component: component.name })}>
          {count(deadLetters)}
        </a>
      ),
    ],
  ];
  const waiting = input?.oldestWaiting;
  return (
    <>
      <dl class="tiles">
        {tiles.map(([name, value]) => (
          <div class="tile" key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <div class="charts">
        <Chart title="Calls" unit="each second" values={callsOf(live, now)} format={rate} />
        <Chart
          title="Latency"
          unit="mean"
          values={seriesOf(
            live,
            now,
            (one) =>
              one.attempts + one.invocations === 0
                ? undefined
                : (milliseconds(one.attemptTime) * one.attempts +
                    milliseconds(one.invocationTime) * one.invocations) /
                  (one.attempts + one.invocations),
            undefined,
          )}
          format={span}
        />
        {input && (
          <Chart
            title="Backlog"
            unit="events in the source"
            values={seriesOf(
              live,
              now,
              (one) => (one.backlog === undefined ? undefined : Number(one.backlog)),
              undefined,
            )}
            format={count}
          />
        )}
      </div>
      <div class="columns">
        {input && (
          <Section title="Events in">
            <Facts
              facts={[
                ["With the app", count(input.inFlight)],
                ["Waiting here", count(input.waiting)],
                ["Attempts", count(input.attempts)],
                ["Handled", count(input.handled)],
                ["Returned to the source", count(input.returned)],
                ["Became dead letters", count(input.deadLettered)],
                ["Sent to an output", count(input.sentToOutput)],
                ["Dropped", count(input.dropped)],
                ["Duplicates", count(input.duplicates)],
              ]}
            />
            {waiting && (
              <p class="waiting">
                The oldest that waits:{" "}
                {waiting.id === "" ? (
                  "an event without identity"
                ) : (
                  <a href={link(daemon.index, "events", "", "", { find: waiting.id })}>
                    {waiting.id}
                  </a>
                )}
                , since <Time at={timeOf(waiting.since)} />, after {count(waiting.attempts)}{" "}
                attempts: {waiting.lastError}
              </p>
            )}
          </Section>
        )}
        {output && (
          <Section title="Invocations out">
            <Facts
              facts={[
                ["Running", count(output.inFlight)],
                ["Finished", count(output.invocations)],
                ["Failed", count(output.failures)],
                ["Operations", component.operations.join(", ")],
              ]}
            />
          </Section>
        )}
        <Section title="About">
          <Facts
            facts={[
              ["Declared in", component.source || "no file"],
              ["Readiness", readinessWord(component.readiness)],
              ["Connected anew because it stood still", count(component.rebuilds)],
              ["Capabilities", component.capabilities.join(", ") || "none"],
            ]}
          />
        </Section>
      </div>
      <p class="quiet">Counted since the daemon started.</p>
    </>
  );
}

/** Calls a second. Before the first sample nothing is known, after it nothing was done where there is none. */
function callsOf(live: LiveComponent, now: number): (number | undefined)[] {
  const calls = seriesOf(live, now, (one) => (one.attempts + one.invocations) / 5, undefined);
  const first = calls.findIndex((value) => value !== undefined);
  return calls.map((value, at) => value ?? (first >= 0 && at > first ? 0 : undefined));
}

import type { JSX } from "preact";
import { Direction } from "../../../gen/cufflink/v1/binding_types_pb.ts";
import type { Daemon } from "../daemon.ts";
import { figuresOf } from "../figures.ts";
import type { LiveComponent } from "../live.ts";
import { link, route } from "../router.ts";
import { mayChange } from "../session.ts";
import { Badge, Empty, Loading, Note, PageHead, Time } from "../ui/parts.tsx";
import { directionsWord, stateWord } from "../words.ts";
import { ComponentActions } from "./component-actions.tsx";
import { ComponentNow } from "./component-now.tsx";
import { DefinitionPart } from "./definition.tsx";
import { EmitPart } from "./emit.tsx";
import { InvokePart } from "./invoke.tsx";
import { PolicyPart } from "./policy.tsx";
import { TailPart } from "./tail.tsx";

/** One component: what it does now, its definition, its policy, its events, and what can be done with it. */
export function ComponentPage({ daemon, name }: { daemon: Daemon; name: string }): JSX.Element {
  const live = daemon.live.components.value.get(name);
  if (live === undefined) {
    if (daemon.live.connection.value.kind === "connecting") return <Loading />;
    return (
      <>
        <PageHead title={name} />
        <Empty title="There is no component of this name.">
          <a href={link(daemon.index, "overview")}>To the overview</a>
        </Empty>
      </>
    );
  }
  const { component } = live;
  const { trouble } = figuresOf(live, daemon.live.now.value);
  const since = component.since && Number(component.since.seconds) * 1000;
  return (
    <>
      <PageHead
        title={name}
        beside={<Badge word={stateWord(component.state)} />}
        tools={mayChange.value && <ComponentActions daemon={daemon} live={live} />}
        lead={
          <p>
            <a href={link(daemon.index, "types", component.type.replace(/^bindings\./, ""))}>
              {component.type}
            </a>
            {component.directions.length > 0 && ` · ${directionsWord(component.directions)}`}
            {since !== undefined && (
              <>
                {" · "}
                {stateWord(component.state).text} since <Time at={since} />
              </>
            )}
            {component.source !== "" && ` · ${component.source}`}
          </p>
        }
      />
      {component.reason !== "" && (
        <Note tone={stateWord(component.state).tone === "bad" ? "bad" : "warn"}>
          {component.reason}
        </Note>
      )}
      {trouble !== "" && (
        <Note tone="warn">
          {trouble}.{" "}
          {live.deadLetters > 0 && (
            <a href={link(daemon.index, "dead-letters", "", "", { component: name })}>
              See the dead letters
            </a>
          )}
        </Note>
      )}
      <Parts daemon={daemon} live={live} />
      <Part daemon={daemon} live={live} />
    </>
  );
}

function Parts({ daemon, live }: { daemon: Daemon; live: LiveComponent }): JSX.Element {
  const { name, operations } = live.component;
  const current = route.value.part;
  const parts = [
    ["", "Now"],
    ["definition", "Definition"],
    ["policy", "Policy"],
    ...(isInput(live) ? [["tail", "Live events"]] : []),
    ...(mayChange.value && operations.length > 0 ? [["invoke", "Invoke"]] : []),
    ...(mayChange.value && isInput(live) ? [["emit", "Emit an event"]] : []),
  ] as const;
  return (
    <nav class="parts" aria-label={`Parts of ${name}`}>
      <ul>
        {parts.map(([part = "", title]) => (
          <li key={part}>
            <a
              href={link(daemon.index, "components", name, part)}
              aria-current={part === current ? "page" : undefined}
            >
              {title}
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}

function Part({ daemon, live }: { daemon: Daemon; live: LiveComponent }): JSX.Element {
  const { name, type, operations } = live.component;
  switch (route.value.part) {
    case "":
      return <ComponentNow daemon={daemon} live={live} />;
    case "definition":
      return <DefinitionPart daemon={daemon} name={name} />;
    case "policy":
      return <PolicyPart daemon={daemon} name={name} />;
    case "tail":
      return <TailPart daemon={daemon} name={name} />;
    case "invoke":
      if (mayChange.value)
        return <InvokePart daemon={daemon} name={name} type={type} operations={operations} />;
      break;
    case "emit":
      if (mayChange.value) return <EmitPart daemon={daemon} name={name} />;
  }
  return (
    <Empty title="There is nothing here.">{!mayChange.value && "The token is read-only."}</Empty>
  );
}

function isInput({ component }: LiveComponent): boolean {
  return component.directions.includes(Direction.INPUT) || component.input !== undefined;
}

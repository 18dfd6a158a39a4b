import type { JSX } from "preact";
import { type ReloadResult, ReloadOutcome } from "../../../gen/cufflink/v1/operations_pb.ts";
import type { Daemon } from "../daemon.ts";
import { plural, timeOf } from "../format.ts";
import { link } from "../router.ts";
import { mayChange } from "../session.ts";
import { ask } from "../ui/dialog.tsx";
import { Badge, Button, Empty, Loading, Note, PageHead, Time } from "../ui/parts.tsx";
import { useLoad } from "../ui/use-load.ts";
import { changeWord, reloadWord } from "../words.ts";

/** The last reloads: what changed, and why something was refused. */
export function ReloadsPage({ daemon }: { daemon: Daemon }): JSX.Element {
  const { value, problem, again } = useLoad(
    (signal) => daemon.operations.listReloads({}, { signal }),
    [daemon.index],
    [daemon.live.revision.value],
  );
  const reload = (): void =>
    ask({
      title: "Reload the resources?",
      body: (
        <p>
          The component files are read again, and what has changed is taken over, one component at a
          time. Each new definition is proved beside the old one; where that fails, the old one goes
          on.
        </p>
      ),
      action: "Reload",
      async run() {
        const { result } = await daemon.operations.reload({});
        again();
        return `Reload: ${reloadWord(result?.outcome ?? ReloadOutcome.UNSPECIFIED).text}.`;
      },
    });
  return (
    <>
      <PageHead
        title="Reloads"
        lead={<p>What changes of the component files did, newest first.</p>}
        tools={
          <>
            {mayChange.value && (
              <Button kind="primary" onClick={reload}>
                Reload…
              </Button>
            )}
            <Button onClick={again}>Refresh</Button>
          </>
        }
      />
      {problem !== "" && <Note tone="bad">{problem}</Note>}
      {value === undefined && problem === "" && <Loading />}
      {value?.reloads.length === 0 && (
        <Empty title="Nothing was reloaded yet.">
          Edit a component file: the daemon takes it over, and this page tells what came of it.
        </Empty>
      )}
      {value?.reloads.map((one) => (
        <Reload key={timeOf(one.at) ?? 0} daemon={daemon} reload={one} />
      ))}
    </>
  );
}

function Reload({ daemon, reload }: { daemon: Daemon; reload: ReloadResult }): JSX.Element {
  const { at, outcome, components, problems, revision } = reload;
  const kept = components.filter((one) => changeWord(one.kind) === "kept");
  const others = components.filter((one) => !kept.includes(one));
  return (
    <article class="card reload">
      <div class="card-head">
        <h2>
          <Time at={timeOf(at)} />
        </h2>
        <Badge word={reloadWord(outcome)} />
        <span class="quiet">Revision {String(revision)}</span>
      </div>
      {problems.map((text) => (
        <Note tone={/:\d+ warning: /.test(text) ? "warn" : "bad"} key={text}>
          {text}
        </Note>
      ))}
      {others.length > 0 && (
        <ul class="changes">
          {others.map(({ name, kind, applied, reason, source }) => (
            <li key={name}>
              <span class={`change change-${changeWord(kind)}`}>{changeWord(kind)}</span>{" "}
              <a href={link(daemon.index, "components", name)}>{name}</a>{" "}
              <span class="quiet">{source}</span>
              {!applied && <Note tone="bad">Refused{reason !== "" && `: ${reason}`}</Note>}
            </li>
          ))}
        </ul>
      )}
      {kept.length > 0 && (
        <p class="quiet">{plural(kept.length, "component is", "components are")} as before.</p>
      )}
    </article>
  );
}

import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import {
  type Check,
  CheckKind,
  CheckResult,
  type ExamineComponentsResponse,
} from "../../../gen/cufflink/v1/operations_pb.ts";
import { type Daemon, isUnimplemented, problemOf } from "../daemon.ts";
import { milliseconds, plural, span } from "../format.ts";
import { link } from "../router.ts";
import { Badge, Button, Empty, Note, PageHead } from "../ui/parts.tsx";
import { type Column, Table } from "../ui/table.tsx";
import { checkWord, resultWord } from "../words.ts";

const kinds = [
  CheckKind.DEFINITION,
  CheckKind.REACHABLE,
  CheckKind.AUTHENTICATED,
  CheckKind.EXISTS,
  CheckKind.MAY_READ,
  CheckKind.MAY_WRITE,
];

type Phase = "idle" | "running" | "ended" | "failed";

/** Examines every component, without consuming or changing anything. */
export function DoctorPage({ daemon }: { daemon: Daemon }): JSX.Element {
  const [phase, setPhase] = useState<Phase>("idle");
  const [problem, setProblem] = useState("");
  const [results, setResults] = useState<readonly ExamineComponentsResponse[]>([]);
  const controller = useRef<AbortController | undefined>(undefined);
  useEffect(() => () => controller.current?.abort(), []);
  const all = daemon.live.components.value.size;
  const examine = async (): Promise<void> => {
    const mine = new AbortController();
    controller.current?.abort();
    controller.current = mine;
    setPhase("running");
    setProblem("");
    setResults([]);
    try {
      const stream = daemon.operations.examineComponents({}, { signal: mine.signal });
      for await (const result of stream) setResults((before) => [...before, result]);
      setPhase("ended");
    } catch (error) {
      if (mine.signal.aborted) return;
      setPhase("failed");
      setProblem(
        isUnimplemented(error)
          ? "This daemon cannot examine components: it is of an older version."
          : problemOf(error),
      );
    }
  };
  const sick = results.filter(isSick).length;
  const sorted = results.toSorted(
    (one, other) =>
      Number(isSick(other)) - Number(isSick(one)) || one.component.localeCompare(other.component),
  );
  return (
    <>
      <PageHead
        title="Doctor"
        lead={
          <p>
            Whether each component's system can be reached, knows the credentials, has what the
            component names, and lets it read and write. Nothing is consumed or changed.
          </p>
        }
        tools={
          <Button kind="primary" disabled={phase === "running"} onClick={() => void examine()}>
            {phase === "running" ? "Examining…" : "Examine all components"}
          </Button>
        }
      />
      {problem !== "" && <Note tone="bad">{problem}</Note>}
      <p role="status">
        {phase === "ended" &&
          (sick === 0
            ? `${plural(results.length, "component")} examined: nothing is wrong.`
            : `${plural(results.length, "component")} examined: ${plural(sick, "has", "have")} something wrong.`)}
      </p>
      {phase === "running" && (
        <progress max={Math.max(all, 1)} value={results.length} aria-label="Components examined">
          {results.length} of {all}
        </progress>
      )}
      {results.length > 0 && (
        <Table
          name="doctor"
          caption="What was found, what is wrong first"
          rows={sorted}
          rowKey={({ component }) => component}
          columns={columnsOf(daemon)}
        />
      )}
      {results.length === 0 && phase !== "running" && problem === "" && (
        <Empty
          title={phase === "ended" ? "There are no components." : "Nothing was examined yet."}
        />
      )}
    </>
  );
}

function columnsOf(daemon: Daemon): Column<ExamineComponentsResponse>[] {
  return [
    {
      key: "component",
      title: "Component",
      header: true,
      cell: ({ component, type, took }) => (
        <>
          <a href={link(daemon.index, "components", component)}>{component}</a>
          <span class="component-about">
            {type.replace(/^bindings\./, "")} · {span(milliseconds(took))}
          </span>
        </>
      ),
    },
    ...kinds.map((kind) => ({
      key: `check-${kind}`,
      title: checkWord(kind),
      cell: ({ checks }: ExamineComponentsResponse) => (
        <Checks checks={checks.filter((check) => check.kind === kind)} />
      ),
    })),
  ];
}

function Checks({ checks }: { checks: readonly Check[] }): JSX.Element {
  if (checks.length === 0) return <span class="none">–</span>;
  return (
    <ul class="checks">
      {checks.map(({ result, subject, detail }) => (
        <li key={subject + detail}>
          <Badge word={resultWord(result)} />
          {subject !== "" && <span> {subject}</span>}
          {detail !== "" && <span class="check-detail">{detail}</span>}
        </li>
      ))}
    </ul>
  );
}

function isSick({ checks }: ExamineComponentsResponse): boolean {
  return checks.some(({ result }) => result === CheckResult.FAILED);
}

import type { JSX } from "preact";
import { type Finding, FindingSeverity } from "../../../gen/cufflink/v1/operations_pb.ts";
import type { Daemon } from "../daemon.ts";
import { plural } from "../format.ts";
import { Empty, Loading, Note, Section } from "../ui/parts.tsx";
import { useLoad } from "../ui/use-load.ts";

/** A component's YAML with secrets hidden, and what is wrong with it at its lines. */
export function DefinitionPart({ daemon, name }: { daemon: Daemon; name: string }): JSX.Element {
  const { value, problem, loading } = useLoad(
    (signal) => daemon.operations.getDefinition({ name }, { signal }),
    [daemon.index, name],
    [daemon.live.revision.value],
  );
  if (problem !== "") return <Note tone="bad">{problem}</Note>;
  if (value === undefined) return loading ? <Loading /> : <span />;
  const { yaml, file, line, findings } = value;
  const first = Math.max(line, 1);
  const lines = yaml.replace(/\n$/, "").split("\n");
  const elsewhere = findings.filter(
    (finding) => finding.line < first || finding.line >= first + lines.length,
  );
  return (
    <Section
      title={file === "" ? "Definition" : file}
      tools={
        <span class="quiet">
          {findings.length === 0 ? "Nothing is wrong with it" : plural(findings.length, "finding")}
        </span>
      }
    >
      {elsewhere.map((finding) => (
        <FindingNote key={finding.message} finding={finding} />
      ))}
      {yaml === "" ? (
        <Empty title="It came from no file." />
      ) : (
        // Scrolls by the keyboard too.
        // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        <div class="code" tabIndex={0} role="region" aria-label={`Definition of ${name}`}>
          <ol>
            {lines.map((text, at) => {
              const number = first + at;
              const here = findings.filter((finding) => finding.line === number);
              return (
                <li key={number} class={here.length > 0 ? "found" : ""}>
                  <span class="number" aria-hidden="true">
                    {number}
                  </span>
                  <code>
                    <YamlLine text={text} />
                  </code>
                  {here.map((finding) => (
                    <FindingNote key={finding.message} finding={finding} />
                  ))}
                </li>
              );
            })}
          </ol>
        </div>
      )}
      <p class="quiet">Secrets are shown as ***.</p>
    </Section>
  );
}

function FindingNote({ finding }: { finding: Finding }): JSX.Element {
  const error = finding.severity === FindingSeverity.ERROR;
  const place = finding.line === 0 ? "" : `line ${finding.line}: `;
  return (
    <Note tone={error ? "bad" : "warn"}>
      <span class="hidden">
        {error ? "Error" : "Warning"}, {place}
      </span>
      {finding.message}
    </Note>
  );
}

/** A line of YAML, its key, value and comment apart. */
function YamlLine({ text }: { text: string }): JSX.Element {
  const [, indent = "", key = "", rest = ""] =
    /^(\s*(?:- )?\s*)((?:"[^"]*"|[\w./-]+):(?=\s|$))?(.*)$/.exec(text) ?? [];
  const comment = /(^|\s)#.*$/.exec(rest);
  const value = comment ? rest.slice(0, comment.index) : rest;
  return (
    <>
      {indent}
      {key !== "" && <span class="yaml-key">{key}</span>}
      <span class={/^"?\*\*\*"?$/.test(value.trim()) ? "yaml-secret" : "yaml-value"}>{value}</span>
      {comment && <span class="yaml-comment">{comment[0]}</span>}
      {"\n"}
    </>
  );
}

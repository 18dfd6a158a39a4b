/** Something about a resource file that a person should know. Never holds the text of a secret. */
export type ResourceProblem = {
  /** `error`: what it is about cannot run; `warning`: it runs, but surely not as meant. */
  readonly severity: "error" | "warning";
  readonly file: string;
  /** From 1; 0: the file or folder as a whole. */
  readonly line: number;
  /** In UTF-16 units, from 1; 0: the file or folder as a whole. */
  readonly column: number;
  readonly message: string;
  /** What was probably meant. */
  readonly suggestion?: string;
  readonly excerpt?: Excerpt;
  /** Of an object that stands in no file: where it is in the YAML that was made of it. */
  readonly within?: { readonly line: number; readonly column: number };
};

/** Lines of a file around a problem, with what may be secret replaced by `***`. The last is the one meant. */
export type Excerpt = {
  readonly firstLine: number;
  readonly lines: readonly string[];
  /** Where the caret begins in the last line, from 0, and how many there are. */
  readonly caret: number;
  readonly length: number;
};

/**
 * A problem as a block of text: `components/redis.yaml:12:7 error: property "redisHots" is not known;
 * did you mean "redisHost"?`, then the excerpt with carets. No newline at the end.
 */
export function formatProblem(problem: ResourceProblem, options: { color?: boolean } = {}): string {
  const paint = (code: string, text: string): string =>
    options.color ? `\u001b[${code}m${text}\u001b[0m` : text;
  const severityColor = problem.severity === "error" ? "31;1" : "33;1";
  const place =
    problem.line === 0 ? problem.file : `${problem.file}:${problem.line}:${problem.column}`;
  const head = `${paint("1", printable(place))} ${paint(severityColor, `${problem.severity}:`)} ${printable(describe(problem))}`;
  const { excerpt } = problem;
  if (excerpt === undefined) return head;
  const width = String(problem.line).length;
  const lines = excerpt.lines.map(
    (line, index) =>
      `${paint("2", `  ${String(excerpt.firstLine + index).padStart(width)} |`)} ${printable(line)}`,
  );
  const carets = paint(severityColor, "^".repeat(excerpt.length));
  const under = `${paint("2", `  ${" ".repeat(width)} |`)} ${" ".repeat(excerpt.caret)}${carets}`;
  return [head, ...lines, under].join("\n");
}

/** A problem for a log: where it is in fields of their own, where a tool finds it. */
export function problemRecord(problem: ResourceProblem): {
  readonly fields: {
    readonly file: string;
    readonly line: number | undefined;
    readonly column: number | undefined;
    /** Lines of the file, with carets below. */
    readonly excerpt: string | undefined;
  };
  /** The place and the problem, in one line. */
  readonly message: string;
} {
  const { file, line, column } = problem;
  const [message = "", ...excerpt] = formatProblem(problem).split("\n");
  return {
    fields: {
      file,
      line: line > 0 ? line : undefined,
      column: line > 0 ? column : undefined,
      excerpt: excerpt.length > 0 ? excerpt.join("\n") : undefined,
    },
    message,
  };
}

/** The problem in one line without its place: the message and what was probably meant. */
export function describe(problem: Pick<ResourceProblem, "message" | "suggestion">): string {
  return problem.suggestion === undefined
    ? problem.message
    : `${problem.message}; did you mean ${JSON.stringify(problem.suggestion)}?`;
}

/** Control characters would let a file write on the terminal; each becomes one visible character. */
function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex -- they are what is looked for
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, (character) =>
    character === "\t" ? " " : "\ufffd",
  );
}

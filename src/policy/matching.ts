import { grpcCodes, type BindingError } from "../errors.ts";

/** Status codes from the first to the last, both included. */
export type CodeRange = { readonly from: number; readonly to: number };

/** Which answers are worth another attempt, by their codes. An absent list says nothing of codes of its kind. */
export type Matching = {
  readonly http?: readonly CodeRange[] | undefined;
  readonly grpc?: readonly CodeRange[] | undefined;
};

/** The codes that a failure came with, as far as it came with any. */
export type StatusCodes = {
  readonly http?: number | undefined;
  readonly grpc?: number | undefined;
};

/** Which codes there are of each kind. */
const codeLimits: Readonly<Record<keyof Matching, CodeRange>> = {
  http: { from: 100, to: 599 },
  grpc: { from: 0, to: 16 },
};

/** Reads `429,500-599`. Empty items are passed over, and an empty text is no list. */
export function parseCodes(
  text: string,
  kind: keyof Matching,
): { readonly ranges: readonly CodeRange[] | undefined } | { readonly problem: string } {
  const limits = codeLimits[kind];
  const ranges: CodeRange[] = [];
  for (const item of text.split(",").map((one) => one.trim())) {
    if (item === "") continue;
    const match = /^(\d+)(?:\s*-\s*(\d+))?$/.exec(item);
    const shown = JSON.stringify(item);
    if (match === null)
      return { problem: `${shown} is neither a code such as ${limits.to} nor a range of them` };
    const from = Number(match[1]);
    const to = Number(match[2] ?? match[1]);
    const outside = [from, to].find((code) => code < limits.from || code > limits.to);
    if (outside !== undefined)
      return { problem: `${outside} is no code: they go from ${limits.from} to ${limits.to}` };
    if (to < from) return { problem: `${shown} ends before it begins` };
    ranges.push({ from, to });
  }
  return { ranges: ranges.length === 0 ? undefined : ranges };
}

/** A list as it would be written. */
export function formatCodes(ranges: readonly CodeRange[]): string {
  return ranges.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`)).join(",");
}

/**
 * Whether the lists let a failure be repeated; `undefined`: none of them speaks of its codes. Of a failure
 * that has an HTTP status the HTTP list decides, if there is one.
 */
export function matches(matching: Matching, { http, grpc }: StatusCodes): boolean | undefined {
  if (http !== undefined && matching.http !== undefined) return includes(matching.http, http);
  if (grpc !== undefined && matching.grpc !== undefined) return includes(matching.grpc, grpc);
  return undefined;
}

/** The gRPC code of an error's reason, and the HTTP status where the other system's own code is one. */
export function codesOf({ reason, systemCode }: BindingError): StatusCodes {
  const http =
    systemCode !== undefined && /^[1-5]\d\d$/.test(systemCode) ? Number(systemCode) : undefined;
  return { http, grpc: grpcCodes[reason] };
}

function includes(ranges: readonly CodeRange[], code: number): boolean {
  return ranges.some(({ from, to }) => from <= code && code <= to);
}

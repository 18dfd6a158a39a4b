import type { RowResult } from "../measure-row.ts";
import { median } from "../measure/statistics.ts";
import type { ContenderName, Measure, Requirement } from "../rows/row.ts";

/** A requirement beside what was measured. */
export type Verdict = {
  readonly requirement: Requirement;
  /** The median, or the ratio of the medians where it is relative. Absent: it could not be measured. */
  readonly reached?: number;
  readonly met?: boolean;
};

/** The median of a contender. Absent: not measured, or it failed. */
export function medianOf(
  result: RowResult,
  contender: ContenderName,
  measure: Measure,
): number | undefined {
  const values = result.values[contender]?.[measure];
  if (!values?.length || result.failures[contender] !== undefined) return undefined;
  return median(values);
}

/** Whether the row reached what it must. */
export function judge(result: RowResult, requirement: Requirement): Verdict {
  const { measure, contender, of, atMost, atLeast } = requirement;
  const own = medianOf(result, contender, measure);
  const other = of === undefined ? 1 : medianOf(result, of, measure);
  if (own === undefined || other === undefined) return { requirement };
  const reached = own / other;
  const met =
    (atMost === undefined || reached <= atMost) && (atLeast === undefined || reached >= atLeast);
  return { requirement, reached, met };
}

import { differences, run, type Difference } from "./compare.ts";
import type { ConnectionInput } from "./frames.ts";
import { knownDifferences, sentFrames } from "./http2-differences.ts";
import type { Seen, Side } from "./seen.ts";

export type Outcome = {
  readonly ours: Seen;
  readonly nodes: Seen;
  /** Those that nothing explains. */
  readonly unknown: readonly Difference[];
};

/** Gives the same input to both sides. */
export async function compareSides(
  {
    side,
    ours,
    nodes,
  }: { readonly side: "client" | "server"; readonly ours: Side; readonly nodes: Side },
  begin: Buffer,
  opened: readonly number[],
  input: ConnectionInput,
): Promise<Outcome> {
  const [one, other] = (await Promise.all(
    [ours, nodes].map(async (both) => run(await both.connect(), begin, opened, input)),
  )) as [Seen, Seen];
  const sent = sentFrames(input, opened);
  const unknown = differences(one, other).filter(
    (difference) =>
      !knownDifferences.some((known) =>
        known.matches({ side, difference, ours: one, nodes: other, sent, input }),
      ),
  );
  return { ours: one, nodes: other, unknown };
}

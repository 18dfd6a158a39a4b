// What Cufflink tells of itself, over HTTP and in its log.

/** How many dead letters it holds. */
export async function deadLetters(httpPort: number): Promise<number> {
  const { totals = [] } = await ask<{ totals?: { count?: string }[] }>(
    httpPort,
    "DeadLetters/ListDeadLetterTotals",
  );
  return totals.reduce((sum, { count = "0" }) => sum + Number(count), 0);
}

/** How many changed definitions it took over, and how many it refused. */
export function reloads(log: string): { applied: number; refused: number } {
  const count = (text: string): number => log.split(text).length - 1;
  return {
    applied: count("component changed"),
    refused: count("the changed definition could not be taken over"),
  };
}

async function ask<Answer>(httpPort: number, method: string): Promise<Answer> {
  const answer = await fetch(`http://127.0.0.1:${httpPort}/cufflink.v1.${method}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "{}",
  });
  if (!answer.ok) throw new Error(`${method}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as Answer;
}

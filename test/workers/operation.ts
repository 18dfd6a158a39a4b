/** Calls an operation by a connection of its own, so that any worker may get it. Rejects with the answer of one that fails. */
export async function operation<Answer>(
  httpPort: number,
  method: string,
  request: object,
): Promise<Answer> {
  const answer = await fetch(`http://127.0.0.1:${httpPort}/cufflink.v1.${method}`, {
    method: "POST",
    headers: { "content-type": "application/json", connection: "close" },
    body: JSON.stringify(request),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(text);
  return JSON.parse(text) as Answer;
}

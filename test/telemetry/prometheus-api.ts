/** What Prometheus tells of one series at one moment. */
export type Sample = { readonly metric: Readonly<Record<string, string>>; readonly value: number };

/** The result of an instant query. Rejects with Prometheus' words where the expression is none. */
export async function query(url: string, expression: string): Promise<Sample[]> {
  const { result } = await ask<{ result: unknown[] }>(url, "query", { query: expression });
  return result.map((one) => {
    const { metric, value } = one as { metric: Record<string, string>; value: [number, string] };
    return { metric, value: Number(value[1]) };
  });
}

/** The data of a path below `/api/v1/`. */
export async function ask<Data>(
  url: string,
  path: string,
  parameters: Readonly<Record<string, string>> = {},
): Promise<Data> {
  const asked = new URLSearchParams(parameters).toString();
  const answer = await fetch(`${url}/api/v1/${path}?${asked}`);
  const body = (await answer.json()) as { status: string; error?: string; data: Data };
  if (body.status !== "success")
    throw new Error(`Prometheus says ${body.error} of ${JSON.stringify(parameters)}`);
  return body.data;
}

/** Media types that ask for Prometheus' text format as well as that itself, the most special first. */
const plain = ["text/plain", "text/*", "*/*"];

/**
 * Whether a request with this `Accept` is to be answered in OpenMetrics 1.0: where it is named, with a weight above zero and
 * not below that of Prometheus' text format, which is the answer to everything else.
 */
export function prefersOpenMetrics(accept: string | undefined): boolean {
  let openMetrics = 0;
  const weights = new Map<string, number>();
  for (const range of (accept ?? "").split(",")) {
    const [type = "", ...parameters] = range.split(";").map((part) => part.trim().toLowerCase());
    const given = new Map(
      parameters.map((one): [string, string] => {
        const [name = "", value = ""] = one.split("=").map((part) => part.trim());
        return [name, value.replace(/^"(.*)"$/, "$1")];
      }),
    );
    const weight = weightOf(given.get("q"));
    const version = given.get("version");
    if (type === "application/openmetrics-text") {
      if (version === undefined || version === "1.0.0") openMetrics = Math.max(openMetrics, weight);
    } else if (plain.includes(type) && (version === undefined || version === "0.0.4"))
      weights.set(type, Math.max(weights.get(type) ?? 0, weight));
  }
  const text = plain.map((type) => weights.get(type)).find((weight) => weight !== undefined) ?? 0;
  return openMetrics > 0 && openMetrics >= text;
}

/** RFC 9110, 12.4.2; what is no weight counts as none given. */
function weightOf(text: string | undefined): number {
  return text !== undefined && /^(0(\.\d{0,3})?|1(\.0{0,3})?)$/.test(text) ? Number(text) : 1;
}

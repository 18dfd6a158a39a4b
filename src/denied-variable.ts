/** Why components may not read an environment variable, or `undefined` when they may. The rules are daprd's. */
export function deniedVariable(
  name: string,
  variables: Readonly<Record<string, string | undefined>>,
): string | undefined {
  const upper = name.toUpperCase();
  if (upper === "" || upper.includes(" ")) return "is no name of an environment variable";
  if (upper === "APP_API_TOKEN" || upper.startsWith("DAPR_")) return "is not shown to components";
  const allowed = variables["DAPR_ENV_KEYS"];
  if (allowed && !allowed.split(" ").some((one) => one.toUpperCase() === upper))
    return "is not among DAPR_ENV_KEYS";
  return undefined;
}

/** Where a service of Google's is. */
export type Place = {
  readonly endpoint: string;
  /** What says so, for messages. */
  readonly from: string;
  /** `none`: an emulator; `fields`: cleartext, where only what the metadata itself has is shown. */
  readonly credentials: "all" | "fields" | "none";
};

/** By the component's `endpoint`, or the field of that name, else the variable that emulators go by, else the service's own address. */
export function placeOf(
  endpoint: string | undefined,
  variable: string,
  usual: string,
  field = "endpoint",
): Place {
  if (endpoint) {
    const isSecure = /^(https|grpcs):\/\//i.test(endpoint);
    return { endpoint, from: field, credentials: isSecure ? "all" : "fields" };
  }
  const emulator = process.env[variable];
  if (emulator) return { endpoint: emulator, from: variable, credentials: "none" };
  return { endpoint: usual, from: "the usual address", credentials: "all" };
}

/** Looks again and again until the condition holds; rejects, naming what was waited for, when the time is over. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  options: { what: string | (() => string); within?: number; every?: number },
): Promise<void> {
  const end = Date.now() + (options.within ?? 10_000);
  while (!(await condition())) {
    if (Date.now() > end) {
      throw new Error(
        `waited in vain for ${typeof options.what === "string" ? options.what : options.what()}`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, options.every ?? 20));
  }
}

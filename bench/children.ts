import type { ChildProcess } from "node:child_process";

const children = new Set<ChildProcess>();

process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
});

/** Ends the process with this one, if this one ends before it, and returns it. */
export function endWithUs<Child extends ChildProcess>(child: Child): Child {
  children.add(child);
  child.once("close", () => children.delete(child));
  return child;
}

/** An interrupt ends this process in the ordinary way, so that what it started ends too. */
export function handleSignals(): void {
  process.once("SIGINT", () => process.exit(130));
  process.once("SIGTERM", () => process.exit(143));
}

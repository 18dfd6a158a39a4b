/**
 * Ends the process with this code whatever hangs in it: a call of a file system that does not answer, the thread of
 * the store, a driver. Only what runs on this thread can keep it from being called.
 *
 * Node's own exit waits for its threads, and a signal to oneself does not end the first process of a container. So
 * the process becomes another one, which only has the code. Where that cannot be, it is killed.
 */
export function exitNow(code: number): never {
  try {
    if (process.platform !== "win32") {
      const { execPath } = process;
      process.execve?.(execPath, [execPath, "--eval", `process.exit(${code})`], {});
    }
  } catch {
    // A thread may not, nor a process that is held to what it was started as.
  }
  process.kill(process.pid, "SIGKILL");
  process.exit(code);
}

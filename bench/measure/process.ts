import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";

const kibibytes = 1024;
let ticks = 0;

/** The processor time a process has used so far, user and system, all threads, in seconds. Known to 10 ms. */
export function processorSeconds(pid: number): number {
  ticks ||= Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));
  // The program's name stands in brackets and may hold spaces.
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) / ticks;
}

/** The resident memory of a process, in MiB. */
export function residentMebibytes(pid: number): number {
  return statusMebibytes(pid, "VmRSS");
}

/** The most resident memory since the process began or `forgetPeak`, in MiB. */
export function peakMebibytes(pid: number): number {
  return statusMebibytes(pid, "VmHWM");
}

/** Lets the peak begin anew at what is resident now. */
export function forgetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
}

function statusMebibytes(pid: number, field: string): number {
  const line = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(
    readFileSync(`/proc/${pid}/status`, "utf8"),
  );
  return Number(line?.[1]) / kibibytes;
}

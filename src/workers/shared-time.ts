/** What is added to this thread's `performance.now()` for the clock that all threads of the machine share. */
const offset = Number(process.hrtime.bigint()) / 1e6 - performance.now();

/** A moment of this thread's monotonic clock as all threads tell it, in milliseconds. */
export function toSharedTime(elapsed: number): number {
  return elapsed + offset;
}

/** A moment that another thread told, by this thread's monotonic clock, in milliseconds. */
export function fromSharedTime(shared: number): number {
  return shared - offset;
}

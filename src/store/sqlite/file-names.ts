/** Dead letters, attempt counts, claims, pauses and checkpoints. */
export const recordsFile = "records.db";
/** What became of events. */
export const historyFile = "history.db";
/** Keeps the folder to one process. */
export const lockFile = "lock";

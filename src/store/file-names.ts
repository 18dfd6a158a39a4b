/** Dead letters, attempt counts and claims. */
export const recordsFile = "records.db";
/** What became of events. */
export const historyFile = "history.db";

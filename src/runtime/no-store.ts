/** Why nothing outlasts the process; a daemon always has a store. */
export const noStore =
  "this runtime was given no store; createRuntime takes a folder as `stateDir`";

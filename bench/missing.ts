/** Something is not there, so that a contender, or all, cannot be measured. Told in the table. */
export class Missing extends Error {
  override readonly name = "Missing";
}

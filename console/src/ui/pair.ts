/** A name and a value. */
export type Pair = { readonly name: string; readonly value: string };

/** A place in the server's log as the server writes it: `16/B374D848`. */
export function lsnText(lsn: bigint): string {
  const half = (part: bigint): string => part.toString(16).toUpperCase();
  return `${half(lsn >> 32n)}/${half(lsn & 0xff_ff_ff_ffn)}`;
}

/** `undefined`: the text is none. */
export function parseLsn(text: string): bigint | undefined {
  const match = /^([0-9a-fA-F]{1,8})\/([0-9a-fA-F]{1,8})$/.exec(text);
  return match === null ? undefined : (BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`);
}

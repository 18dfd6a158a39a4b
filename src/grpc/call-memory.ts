/** Where calls ask before they keep what others have sent: the memory of one listener. */
export type CallMemory = {
  /** Counts so many bytes, if there is room for them. False: they must not be kept. */
  reserve(bytes: number): boolean;
  /** Counts bytes that are there already; negative ones are there no more. */
  add(bytes: number): void;
};

/** About what an open call takes beside its messages and its headers, in bytes. */
export const callOverhead = 4096;

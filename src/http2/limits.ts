/**
 * What one connection may make this side hold or do. Each has its reason; a connection that goes beyond one is closed with
 * the code that is named, and others do not notice.
 */

/** What one stream may send before it is read, in bytes: a message of 1 MiB needs no round trip on a fast network. */
export const streamWindow = 1024 * 1024;

/** What all streams of a connection may send before it is read, in bytes: sixteen streams can fill theirs. */
export const connectionWindow = 16 * 1024 * 1024;

/**
 * Streams of one connection at one time; a reset stream counts until its work has ended, so that resetting streams makes
 * no more work than leaving them open (CVE-2023-44487, CVE-2025-8671). REFUSED_STREAM beyond.
 */
export const mostStreams = 4096;

/** The largest frame that is taken, in bytes: one write of a peer that sends much, and a bound for a frame in parts. FRAME_SIZE_ERROR beyond. */
export const largestFrame = 64 * 1024;

/** A request's header list, in bytes as RFC 9113 counts them (section 6.5.2): twice what gRPC's own servers take. Status 431 beyond. */
export const largestRequestHeaders = 16 * 1024;

/** An answer's header list, in bytes: a status with details of some 40 KiB fits. The stream is reset beyond. */
export const largestResponseHeaders = 64 * 1024;

/** A header block as it travels is at most so many times its list: beyond, it is no use to decode it. ENHANCE_YOUR_CALM beyond. */
export const headerBlockFactor = 2;

/** CONTINUATION frames of one header block: with 16 KiB each the largest list needs eight (CVE-2024-27316 and its kin). ENHANCE_YOUR_CALM beyond. */
export const mostContinuations = 32;

/** The table for HPACK that the other side may fill, in bytes: RFC 7541's default. */
export const headerTable = 4096;

/** Settings in one frame: there are seven in use. ENHANCE_YOUR_CALM beyond. */
export const mostSettings = 64;

/**
 * Frames that bring nothing (empty DATA, PRIORITY, PING, SETTINGS, WINDOW_UPDATE, frames of streams that have ended, unknown
 * ones), less those that bring something, between two looks. Each costs up to a microsecond, so a connection takes some
 * per cent of a core at most (CVE-2019-9512, 9513, 9515, 9518). ENHANCE_YOUR_CALM beyond. gRPC for Go sends a PING for each
 * round trip while data flows, which stays balanced.
 */
export const mostIdleFrames = 20_000;

/** So many frames that bring nothing are made up for in advance: 25,000 calls that a client cancels are answered late, by four frames each. */
export const mostCredit = 100_000;

/** DATA of at least so many bytes brings something, such as a message of gRPC without content: less is a dribble (CVE-2019-9511). */
export const usefulBytes = 5;

/**
 * Answers to PING, SETTINGS and streams in error that the other side has not read (CVE-2019-9512, 9514, 9515).
 * ENHANCE_YOUR_CALM beyond.
 */
export const mostUnreadAnswers = 10_000;

/** Bytes that the socket has not taken: from so many on, the data of streams waits (CVE-2019-9517). */
export const congestedFrom = 256 * 1024;

/** Bytes that the socket has not taken: from so many on, heads of answers alone, nothing more is read until it has (CVE-2019-9517). */
export const mostUnsent = 1024 * 1024;

/** Bytes of one stream that wait to be sent: from so many on, its writer is told to wait. */
export const streamBufferBytes = 64 * 1024;

/** What an open stream takes beside its headers, about, in bytes. */
export const streamOverhead = 4096;

/** What a connection takes beside its streams, about, in bytes: two tables, and the socket. */
export const connectionOverhead = 16 * 1024;

/** A connection that holds less is not closed at once where the memory is used up, in bytes. */
export const smallestHolder = 256 * 1024;

/**
 * Where new streams are refused for {@link looksToWait} looks on end, this share of the connections is closed at each: of those
 * whose other side neither reads nor goes on the ones that hold most.
 */
export const closedAtLook = 1 / 8;

/** Beyond so many connections of one group, those without streams are closed too where the memory is used up: they hold 16 MiB. */
export const manyConnections = 1024;

/** Streams that have ended are remembered, so many, to tell what a late frame means. */
export const rememberedStreams = 1024;

/** Between two looks at a connection's progress, in milliseconds. */
export const lookInterval = 2000;

/** For the preface and the first SETTINGS, for the rest of a frame or a header block, and for the answer to SETTINGS, in looks: 10 s. */
export const looksToWait = 5;

/** How long a closing server waits for the answer to its PING between the two GOAWAYs, in milliseconds: one slow round trip. */
export const goawayPause = 1000;

/** How long a connection that has said all may take to get it out, in milliseconds. */
export const lastWords = 1000;

import { ConnectionError, ErrorCode } from "./error-code.ts";
import {
  frameHeaderBytes,
  FrameType,
  initialMaxFrameSize,
  largestWindow,
  readUint32,
  Setting,
  writeFrameHeader,
  writeUint32,
} from "./frame.ts";

/** What one SETTINGS frame says; what it does not say is absent. The last of repeated ones counts. */
export type Settings = {
  headerTableSize?: number;
  enablePush?: number;
  maxConcurrentStreams?: number;
  initialWindowSize?: number;
  maxFrameSize?: number;
};

/** Reads the settings. Throws a {@link ConnectionError} for a value that is none (RFC 9113, section 6.5.2). */
export function readSettings(bytes: Buffer, start: number, end: number): Settings {
  const settings: Settings = {};
  for (let at = start; at < end; at += 6) {
    const id = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
    const value = readUint32(bytes, at + 2);
    switch (id) {
      case Setting.headerTableSize:
        // One that shrinks and grows again empties the table in between.
        settings.headerTableSize = Math.min(value, settings.headerTableSize ?? value);
        break;
      case Setting.enablePush:
        if (value > 1) throw wrong("SETTINGS_ENABLE_PUSH", value, ErrorCode.protocolError);
        settings.enablePush = value;
        break;
      case Setting.maxConcurrentStreams:
        settings.maxConcurrentStreams = value;
        break;
      case Setting.initialWindowSize:
        if (value > largestWindow)
          throw wrong("SETTINGS_INITIAL_WINDOW_SIZE", value, ErrorCode.flowControlError);
        settings.initialWindowSize = value;
        break;
      case Setting.maxFrameSize:
        if (value < initialMaxFrameSize || value > 0xff_ffff)
          throw wrong("SETTINGS_MAX_FRAME_SIZE", value, ErrorCode.protocolError);
        settings.maxFrameSize = value;
        break;
      default:
    }
  }
  return settings;
}

/** A whole SETTINGS frame of pairs of id and value. */
export function settingsFrame(pairs: readonly (readonly [id: number, value: number])[]): Buffer {
  const frame = Buffer.alloc(frameHeaderBytes + pairs.length * 6);
  let at = writeFrameHeader(frame, 0, pairs.length * 6, FrameType.settings, 0, 0);
  for (const [id, value] of pairs) {
    frame[at] = id >>> 8;
    frame[at + 1] = id;
    at = writeUint32(frame, at + 2, value);
  }
  return frame;
}

function wrong(name: string, value: number, code: number): ConnectionError {
  return new ConnectionError(code, `${name} is ${value}`);
}

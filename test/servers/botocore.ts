import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { AwsCredentials } from "../../src/identity/aws/credentials.ts";
import { motoPython } from "./moto.ts";

type Common = {
  readonly keys: AwsCredentials;
  readonly region: string;
  /** As `20260131T000000Z`. */
  readonly date: string;
};

/** A request to be signed: by a header, by the query, or one to log in to a database of RDS. */
export type Wish = Common &
  (
    | {
        readonly kind: "header" | "presign";
        readonly service: string;
        readonly method: string;
        readonly url: string;
        readonly headers?: Readonly<Record<string, string>>;
        readonly body?: string;
        /** Seconds, of a presigned URL. */
        readonly expires?: number;
      }
    | { readonly kind: "rds"; readonly host: string; readonly port: number; readonly user: string }
  );

/** What botocore, AWS's own library for Python, makes of each: the header `Authorization`, the URL, or the token. */
export async function signedByBotocore(wishes: readonly Wish[]): Promise<readonly string[]> {
  const script = join(import.meta.dirname, "sign-with-botocore.py");
  const python = spawn(await motoPython(), [script], { stdio: ["pipe", "pipe", "pipe"] });
  python.stdin.end(JSON.stringify(wishes));
  const [out, problems] = await Promise.all([
    text(python.stdout),
    text(python.stderr),
    once(python, "close"),
  ]);
  if (out === "") throw new Error(`botocore: ${problems}`);
  return JSON.parse(out) as string[];
}

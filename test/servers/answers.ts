import { connect } from "node:net";

/** A question to a server in its own protocol, and how its answer begins. */
export interface Greeting {
  readonly question: Uint8Array;
  isAnswer(answer: Buffer): boolean;
}

/** Whether a server at this address answers the greeting within a time in milliseconds. */
export function answers(
  { host, port }: { host: string; port: number },
  greeting: Greeting,
  timeout: number,
): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const timer = setTimeout(() => finish(false), timeout);
    let answer = Buffer.alloc(0);
    function finish(result: boolean): void {
      clearTimeout(timer);
      socket.destroy();
      resolve(result);
    }
    socket.on("connect", () => socket.write(greeting.question));
    socket.on("data", (chunk: Buffer) => {
      answer = Buffer.concat([answer, chunk]);
      if (greeting.isAnswer(answer)) finish(true);
    });
    socket.on("error", () => finish(false));
    socket.on("close", () => finish(false));
  });
}

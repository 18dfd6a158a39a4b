// The handlers of an app: what shop.test.ts tests.
// In a project of your own: import … from "cufflink";
import type { BindingEvent, EmbeddedRuntime } from "../../src/index.ts";

type Runtime = Pick<EmbeddedRuntime, "invoke">;

/** Confirms an order. */
export async function confirm(event: BindingEvent, runtime: Runtime): Promise<void> {
  const { id, email } = event.json() as { id: number; email: string };
  await runtime.invoke("mail", "create", {
    data: `Your order ${id} is confirmed.`,
    metadata: { emailTo: email, subject: "Your order" },
  });
}

/** The mail that the office gets each morning. */
export async function report(runtime: Runtime): Promise<void> {
  const metadata = { emailTo: "office@example.com", subject: "Good morning" };
  await runtime.invoke("mail", "create", { data: "Nothing to report.", metadata });
}

import type { JSX } from "preact";
import { count, plural } from "../format.ts";
import { putAway, type Redrive, redrives, stopRedrive } from "../redrive.ts";
import { link } from "../router.ts";
import { Button } from "../ui/parts.tsx";

const titles: Record<Redrive["step"], string> = {
  running: "Redriving dead letters",
  ended: "Redrive ended",
  stopped: "Redrive stopped",
  failed: "Redrive failed",
};

/** How redrives go on, wherever the page is. */
export function RedriveProgress(): JSX.Element {
  return (
    <>
      {redrives.value.map((redrive) => (
        <Progress key={redrive.id} redrive={redrive} />
      ))}
    </>
  );
}

function Progress({ redrive }: { redrive: Redrive }): JSX.Element {
  const { id, daemon, matched, handled, refused, skipped, step, problem, refusals } = redrive;
  const done = handled + refused + skipped;
  return (
    <section class="progress card" aria-label={titles[step]}>
      <div class="card-head">
        <h2>{titles[step]}</h2>
        {step === "running" ? (
          <Button onClick={() => stopRedrive(id)}>Stop</Button>
        ) : (
          <Button onClick={() => putAway(id)} label="Put away">
            ×
          </Button>
        )}
      </div>
      <progress max={Math.max(matched, 1)} value={done} aria-label="Dead letters redriven">
        {done} of {matched}
      </progress>
      <p>
        {count(done)} of {count(matched)}: {count(handled)} handled
        {refused > 0 && `, ${count(refused)} not handled`}
        {skipped > 0 && `, ${count(skipped)} left alone`}
      </p>
      {/* Said once, at the end. */}
      <p role="status" class={step === "running" ? "hidden" : ""}>
        {step === "ended" && `Ended: ${plural(handled, "dead letter")} handled and removed.`}
        {step === "stopped" && "Stopped: no further dead letter is begun."}
        {step === "failed" && problem}
      </p>
      {refusals.length > 0 && (
        <details>
          <summary>Not handled</summary>
          <ul class="refusals">
            {refusals.map((one) => (
              <li key={one.id}>
                <a href={link(daemon.index, "dead-letters", one.id)}>{one.eventId || one.id}</a>:{" "}
                {one.reason}
              </li>
            ))}
          </ul>
        </details>
      )}
    </section>
  );
}

import type { Command } from "commander";
import { addCheckCommand } from "./check.ts";
import { addCompletionCommand } from "./completion.ts";
import { addComponentCommand } from "./component.ts";
import { addCompleteComponentsCommand } from "./complete-components.ts";
import { addComponentsCommand } from "./components.ts";
import { addConsoleCommand } from "./console.ts";
import { addDeadLettersCommand } from "./dead-letters.ts";
import { addDoctorCommand } from "./doctor.ts";
import { addEmitCommand } from "./emit.ts";
import { addEventsCommand } from "./events.ts";
import { addGenerateCommand } from "./generate.ts";
import { addHealthCommand } from "./health.ts";
import { addInvokeCommand } from "./invoke.ts";
import { addKubernetesCommand } from "./kubernetes.ts";
import { addNewCommand } from "./new.ts";
import { addReloadCommand } from "./reload.ts";
import { addRunCommand } from "./run.ts";
import { addScalerCommand } from "./scaler.ts";
import { addStoreCommand } from "./store.ts";
import { addStopInputsCommand } from "./stop-inputs.ts";
import { addTypesCommand } from "./types.ts";
import { addWhyCommand } from "./why.ts";

/** Adds every command but `serve`. */
export function addCommands(program: Command, setExitCode: (code: number) => void): void {
  addRunCommand(program, setExitCode);
  addInvokeCommand(program);
  addEmitCommand(program);
  addComponentsCommand(program);
  addDeadLettersCommand(program);
  addEventsCommand(program);
  addWhyCommand(program);
  addDoctorCommand(program);
  addHealthCommand(program);
  addReloadCommand(program);
  addComponentCommand(program, setExitCode);
  addConsoleCommand(program, setExitCode);
  addCheckCommand(program);
  addStopInputsCommand(program);
  addStoreCommand(program);
  addTypesCommand(program);
  addGenerateCommand(program);
  addKubernetesCommand(program, setExitCode);
  addScalerCommand(program, setExitCode);
  addNewCommand(program);
  addCompletionCommand(program);
  addCompleteComponentsCommand(program);
}

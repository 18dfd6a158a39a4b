import { existsSync } from "node:fs";
import { buildGoProgram, goProgram } from "../test/servers/go-program.ts";
import { Missing } from "./missing.ts";

const below = import.meta.dirname;

/** Builds the program of `bench-go/`, unless it is there, and resolves to its path. */
export async function benchGo(): Promise<string> {
  const program = goProgram("bench-go", below);
  if (existsSync(program)) return program;
  try {
    await buildGoProgram("bench-go", { below });
  } catch (error) {
    throw new Missing(error instanceof Error ? error.message : String(error));
  }
  return program;
}

/** A law that was broken in the simulated world, with what happened before. */
import type { World } from "./world.js";

const NOTES_SHOWN = Number(process.env.VIPD_SIM_NOTES ?? 60);

export class Violation extends Error {
  constructor(world: World, text: string) {
    super(`at ${world.now.toFixed(1)} ms: ${text}\n${world.notes.slice(-NOTES_SHOWN).join("\n")}`);
    this.name = "Violation";
  }
}

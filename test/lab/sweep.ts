/** `node --import tsx test/lab/sweep.ts`: removes labs whose owner is gone; exits 1 when there were any. */
import { sweep } from "./lib/sweep.js";

const swept = sweep();
for (const prefix of swept) console.log(`left behind, removed now: ${prefix}`);
process.exitCode = swept.length > 0 ? 1 : 0;

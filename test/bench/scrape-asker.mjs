/**
 * Asks a daemon over its Unix socket for a text that costs it nothing, each 20 ms by the clock, until SIGTERM; then prints how long each
 * answer took, in ms, as JSON. Run above the daemons' priority it sees their event loops, not its own. Boundary: plain Node.
 */
import http from "node:http";

const [socketPath] = process.argv.slice(2);
const EVERY_MS = 20;
const tookMs = [];
const agent = new http.Agent({ keepAlive: true });
const timer = setInterval(() => {
  const asked = performance.now();
  const request = http.get({ socketPath, path: "/openapi.json", agent }, (response) => {
    response.resume();
    response.on("end", () => tookMs.push(performance.now() - asked));
  });
  request.on("error", () => tookMs.push(performance.now() - asked));
}, EVERY_MS);
process.on("SIGTERM", () => {
  clearInterval(timer);
  process.stdout.write(JSON.stringify(tookMs), () => process.exit(0));
});

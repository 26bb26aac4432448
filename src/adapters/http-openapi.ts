/**
 * The HTTP contract as an OpenAPI 3.1 document, served at `/openapi.json`. Purpose: clients are generated and held against what is
 * written here, and a test holds a real server's answers against it. Boundary: a value; the server does not read it. Every
 * object of an answer is closed: a field that nobody wrote down here fails that test.
 */

type Schema = Readonly<Record<string, unknown>>;

const text: Schema = { type: "string" };
const flag: Schema = { type: "boolean" };
const count: Schema = { type: "integer", minimum: 0 };
const number: Schema = { type: "number" };
const when: Schema = { type: "string", format: "date-time" };
const counts: Schema = { type: "object", additionalProperties: count };

const oneOf = (...values: readonly string[]): Schema => ({ enum: values });
const list = (items: Schema): Schema => ({ type: "array", items });
const orNull = (schema: Schema): Schema => ({ anyOf: [schema, { type: "null" }] });
const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });

/** Closed; all properties are required but those in `optional`. */
function object(properties: Readonly<Record<string, Schema>>, optional: readonly string[] = []): Schema {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { type: "object", properties, required, additionalProperties: false };
}

const Lease = { untilMs: { ...number, description: "On CLOCK_BOOTTIME." }, lapses: count };

const STATE: Schema = {
  ...oneOf("standby", "claiming", "owned", "releasing", "conflict", "unowned"),
  description: "Of this host.",
};

const SCHEMAS: Readonly<Record<string, Schema>> = {
  Error: object({ error: text }),
  Member: object({
    name: text,
    address: { ...text, description: "IP address and port of its gossip." },
    state: oneOf("alive", "suspect", "dead", "left"),
    self: flag,
    foreign: { ...flag, description: "Speaks the gossip but is not vipd: owns nothing." },
    incarnation: count,
    weight: number,
    draining: flag,
    barred: { ...text, description: "Why it may own nothing at all; empty if it may." },
    settled: flag,
    rttMs: orNull(number),
    macs: list(object({ interface: text, mac: text })),
    since: when,
  }),
  Vip: object({
    address: text,
    group: text,
    interface: text,
    owner: { ...orNull(text), description: "The member that this host believes to announce it now." },
    heir: orNull(text),
    state: STATE,
    since: when,
    reason: text,
    conflict: orNull(object({ mac: text, since: when, at: when })),
  }),
  Check: object({
    group: text,
    check: text,
    type: text,
    state: oneOf("unknown", "passing", "failing"),
    since: when,
    lastAt: orNull(when),
    lastOk: orNull(flag),
    lastMs: orNull(number),
    reason: text,
    runs: count,
    failures: count,
  }),
  Status: object(
    {
      node: text,
      version: text,
      instance: { ...text, description: "Another one for each run of the daemon." },
      ready: flag,
      readyReason: text,
      draining: flag,
      frozen: flag,
      moves: list(object({ vip: text, host: text })),
      lease: object(Lease),
      quorum: orNull(object({ hosts: count, expect: orNull(count), reached: count, held: flag, losses: count })),
      members: list(ref("Member")),
      vips: { ...list(ref("Vip")), description: "One entry an address." },
      interfaces: list(object({ name: text, mac: text, up: flag, carrier: flag })),
      gossip: object({
        bind: text,
        encrypted: flag,
        datagramsIn: count,
        datagramsOut: count,
        bytesIn: count,
        bytesOut: count,
        dropped: counts,
      }),
      responder: object({ replies: count, announcements: count, ignored: counts }),
      strictArp: object({ mode: oneOf("manage", "require", "ignore"), changed: list(text), repairs: count }),
      alarms: list(text),
      checks: list(ref("Check")),
    },
    ["quorum"],
  ),
  Explanation: object({
    vip: { ...text, description: "What is elected: an address, or the name of a group that goes together." },
    group: text,
    addresses: list(text),
    interface: text,
    owner: orNull(text),
    heir: orNull(text),
    state: STATE,
    since: when,
    reason: text,
    spread: oneOf("hash", "even"),
    failbackAfterMs: orNull(number),
    frozen: flag,
    moved: { ...orNull(text), description: "To whom an operator moved it." },
    fixed: { ...orNull(text), description: "Who gets it whatever the scores say." },
    hosts: list(
      object({
        name: text,
        self: flag,
        state: oneOf("alive", "suspect", "dead", "left"),
        rank: { ...orNull(count), description: "From 1; null: not eligible, and `why` says why." },
        why: text,
        score: { ...orNull(number), description: "The higher the better; the weight is in it." },
        weight: number,
        preferred: count,
        settling: flag,
        without: {
          ...orNull(object({ owner: orNull(text), heir: orNull(text) })),
          description: "Who would be elected if it died; null: not reckoned.",
        },
      }),
    ),
  }),
  Health: object({ healthy: flag, node: text, lease: object({ ...Lease, leftMs: number }) }),
  Event: {
    description: "The data of one server-sent event: one line of JSON. Further fields depend on the event.",
    type: "object",
    properties: { event: text, at: when, level: oneOf("info", "warn", "error"), text, count },
    required: ["event", "at"],
    additionalProperties: true,
  },
  Outcome: {
    description: "What came of a command. Further fields depend on the command.",
    type: "object",
    properties: { ok: flag, text, error: text },
    required: ["ok"],
    additionalProperties: true,
  },
};

const answer = (description: string, type: string, schema: Schema): Schema => ({
  description,
  content: { [type]: { schema } },
});
const failure = (description: string): Schema => answer(description, "application/json", ref("Error"));

/** What every path may answer. */
const REFUSED = {
  "405": failure("Another method than the path has."),
  "421": failure("Over TCP only: the Host header is none of this host's (DNS rebinding)."),
  "500": failure("The daemon could not tell."),
};

function read(summary: string, answers: Readonly<Record<string, Schema>>): Schema {
  return { get: { summary, responses: { ...answers, ...REFUSED } } };
}

function withQuery(path: Schema, name: string): Schema {
  const parameters = [{ name, in: "query", required: true, schema: text }];
  return { get: { parameters, ...(path.get as Schema) } };
}

const UNCHANGED: Schema = { description: "If-None-Match names what is served." };

const READ: Readonly<Record<string, Schema>> = {
  "/": read("The status page.", { "200": answer("HTML, self-contained.", "text/html", text), "304": UNCHANGED }),
  "/status": read("All that this host knows of the group.", {
    "200": answer("At most 50 ms old.", "application/json", ref("Status")),
  }),
  "/explain": withQuery(
    read("Why a VIP is where it is, and what would be without each host.", {
      "200": answer(
        "With everybody's rank, score, or reason not to be eligible.",
        "application/json",
        ref("Explanation"),
      ),
      "400": failure("No VIP is named."),
      "404": failure("None of this group's VIPs."),
    }),
    "vip",
  ),
  "/healthz": read("Is the process well?", {
    "200": answer("Its lease runs.", "application/json", ref("Health")),
    "503": answer("The control plane has stalled.", "application/json", ref("Health")),
  }),
  "/readyz": read("Does this host take part?", {
    "200": answer("It has exchanged state with a peer, or is rightfully alone.", "text/plain", text),
    "503": answer("Not yet, and why.", "text/plain", text),
  }),
  "/metrics": read("For Prometheus.", { "200": answer("Text format 0.0.4.", "text/plain", text) }),
  "/events": read(
    "What happens, as it happens; Last-Event-ID, or ?since=ID, brings what was missed; ?since= all that is kept. With ?once=1 the answer ends there.",
    {
      "200": answer("Server-sent events, each with an id and one line of data.", "text/event-stream", ref("Event")),
      "503": failure("Too many readers; Retry-After says when to come again."),
    },
  ),
  "/openapi.json": read("This document.", {
    "200": answer("OpenAPI 3.1.", "application/json", { type: "object" }),
    "304": UNCHANGED,
  }),
};

function command(summary: string, body: Schema | null = null): Schema {
  const requestBody = { required: false, content: { "application/json": { schema: body ?? { type: "object" } } } };
  const outcome = (description: string) => answer(description, "application/json", ref("Outcome"));
  return {
    post: {
      summary,
      description: "On the Unix socket only, whose file mode decides who may.",
      requestBody,
      responses: {
        "200": outcome("Done."),
        "400": outcome("Not a body that this command has."),
        "404": outcome("No such VIP or host; over TCP: no such path."),
        "409": outcome("Not now, and why."),
        "413": failure("The body is too large."),
        "422": outcome("The configuration is refused."),
        "405": REFUSED["405"],
        "500": outcome("It could not be done, and why."),
      },
    },
  };
}

const COMMANDS: Readonly<Record<string, Schema>> = {
  "/drain": command(
    "Give all VIPs to other hosts, and take none.",
    object({ wait: flag, persist: flag, timeoutMs: { ...number, minimum: 0 } }, ["wait", "persist", "timeoutMs"]),
  ),
  "/resume": command("Take part again."),
  "/reload": command("Take the configuration file again."),
  "/rebalance": command("Count every host that is alive as settled."),
  "/move": command(
    "Give a VIP to a host until that is undone.",
    object({ vip: text, host: text, undo: flag }, ["host", "undo"]),
  ),
  "/freeze": command("No planned moves in the whole group."),
  "/thaw": command("Planned moves again."),
};

export const OPENAPI = {
  openapi: "3.1.0",
  info: {
    title: "vipd",
    version: "1",
    description:
      "Read-only over TCP (status.listen); the same, and the commands, on the Unix socket (status.socket). HEAD is served wherever GET is.",
    license: { name: "Apache-2.0", identifier: "Apache-2.0" },
  },
  paths: { ...READ, ...COMMANDS },
  components: { schemas: SCHEMAS },
} as const;
